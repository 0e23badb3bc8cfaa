"""Parses policy documents and matches their statements against requests."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache
from typing import Any, Self

from localaws.iam.conditions import Condition, ConditionError
from localaws.iam.matching import expand, like, resource_like
from localaws.iam.request import Principal, Request


class PolicyError(ValueError):
    """The document is not a policy, or has an element that this evaluator does not support."""


class Naming(IntEnum):
    """How specifically a resource policy names the caller. The most specific match of all statements applies."""

    NONE = 0
    ACCOUNT = 1
    """The account. Its identity-based policies decide."""
    ROLE = 2
    """The role behind the session."""
    CALLER = 3
    """The user, the session or the service itself, or all principals (`*`)."""


@dataclass(frozen=True)
class Statement:
    """One statement with its actions in lower case. None means that the element is missing."""

    sid: str
    allows: bool
    actions: tuple[str, ...] | None
    not_actions: tuple[str, ...] | None
    resources: tuple[str, ...] | None
    not_resources: tuple[str, ...] | None
    principals: Mapping[str, tuple[str, ...]] | None
    conditions: tuple[Condition, ...]
    variables: bool

    @classmethod
    def parse(cls, given: Mapping[str, Any], *, number: int, variables: bool) -> Self:
        """Reads a statement. Messages identify a statement without a Sid by its number, starting at 1.

        Raises:
            PolicyError: Effect or Action is missing or invalid, NotPrincipal is used, or a condition operator is
                unknown.
        """
        sid = str(given.get("Sid") or f"#{number}")
        if given.get("Effect") not in ("Allow", "Deny"):
            raise PolicyError(f"Statement {sid}: Effect must be Allow or Deny.")
        if "NotPrincipal" in given:
            raise PolicyError(f"Statement {sid}: use a condition on aws:PrincipalArn instead of NotPrincipal.")
        if ("Action" in given) is ("NotAction" in given):
            raise PolicyError(f"Statement {sid}: specify either Action or NotAction.")
        try:
            conditions = tuple(
                Condition.parse(operator, key, values)
                for operator, keys in given.get("Condition", {}).items()
                for key, values in keys.items()
            )
        except ConditionError as error:
            raise PolicyError(f"Statement {sid}: {error}") from None
        return cls(
            sid=sid,
            allows=given["Effect"] == "Allow",
            actions=_folded(given.get("Action")),
            not_actions=_folded(given.get("NotAction")),
            resources=_listed(given.get("Resource")),
            not_resources=_listed(given.get("NotResource")),
            principals=_principals(given.get("Principal")),
            conditions=conditions,
            variables=variables,
        )

    def applies(self, request: Request) -> bool:
        """Whether action, resource and conditions match. Call `names` to match the principal."""
        return (
            self._matches_action(request.action)
            and self._matches_resource(request)
            and all(condition.holds(request.keys, variables=self.variables) for condition in self.conditions)
        )

    def names(self, principal: Principal) -> Naming:
        """How specifically the Principal element names the caller."""
        closest = Naming.NONE
        for kind, given in (self.principals or {}).items():
            for name in given:
                closest = max(closest, _naming(kind, name, principal))
        return closest

    @cached_property
    def _matches_action(self) -> Callable[[str], bool]:
        """Cached for each action, because every call is compared with the actions of every statement."""
        patterns = self.actions if self.actions is not None else self.not_actions or ()
        named = self.actions is not None

        @lru_cache(maxsize=1024)
        def matches(action: str) -> bool:
            folded = action.lower()
            return any(like(pattern, folded) for pattern in patterns) is named

        return matches

    def _matches_resource(self, request: Request) -> bool:
        if self.resources is None and self.not_resources is None:
            return True  # A role's trust policy applies to that role only, so it has no Resource.
        patterns = self.resources if self.resources is not None else self.not_resources or ()
        expanded = [expand(pattern, request.keys) if self.variables else pattern for pattern in patterns]
        matched = any(pattern is not None and resource_like(pattern, request.resource) for pattern in expanded)
        return matched if self.resources is not None else not matched


@dataclass(frozen=True)
class Policy:
    """A policy document and its name."""

    name: str
    statements: tuple[Statement, ...]

    @classmethod
    def parse(cls, name: str, document: str | Mapping[str, Any]) -> Self:
        """Reads a document, as JSON or already parsed.

        Raises:
            PolicyError: the document is invalid. The message starts with the policy's name.
        """
        try:
            given = json.loads(document) if isinstance(document, str) else document
            statements = given["Statement"]
            listed = statements if isinstance(statements, list) else [statements]
            variables = given.get("Version") == "2012-10-17"
            return cls(
                name,
                tuple(
                    Statement.parse(statement, number=number, variables=variables)
                    for number, statement in enumerate(listed, start=1)
                ),
            )
        except PolicyError as error:
            raise PolicyError(f"{name}: {error}") from None
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
            raise PolicyError(f"{name} is not a policy document.") from None


def texts(given: Any) -> tuple[str, ...]:
    """The texts of a policy's element: one, a list of them, or none if the element is missing.

    Raises:
        TypeError: it is something else.
    """
    if given is None:
        return ()
    found = tuple(given) if isinstance(given, list) else (given,)
    if not all(isinstance(one, str) for one in found):
        raise TypeError("an element is neither a text nor a list of texts")
    return found


def _listed(given: Any) -> tuple[str, ...] | None:
    return None if given is None else texts(given)


def _folded(given: Any) -> tuple[str, ...] | None:
    listed = _listed(given)
    return None if listed is None else tuple(pattern.lower() for pattern in listed)


def _principals(given: Any) -> dict[str, tuple[str, ...]] | None:
    if given is None:
        return None
    if given == "*":
        return {"AWS": ("*",)}
    return {kind: texts(names) for kind, names in given.items()}


def _naming(kind: str, name: str, principal: Principal) -> Naming:
    if kind == "Service":
        return Naming.CALLER if name == principal.arn else Naming.NONE
    if kind != "AWS":
        return Naming.NONE
    if name in ("*", principal.arn):
        return Naming.CALLER
    if principal.is_service:
        return Naming.NONE
    if name == principal.account or name.split(":")[4:] == [principal.account, "root"]:
        return Naming.ACCOUNT
    return Naming.ROLE if name == principal.entity else Naming.NONE
