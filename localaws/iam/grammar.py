"""The grammar of policies, which moto does not check for policies on resources.

A policy that breaks it does not apply: a statement without a known effect denies nothing. Source:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from localaws.iam.conditions import Condition, ConditionError

VERSIONS = ("2012-10-17", "2008-10-17")
DOCUMENT = frozenset({"Version", "Id", "Statement"})
STATEMENT = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
PRINCIPALS = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
_ACTION = re.compile(r"\*|(?P<service>[a-zA-Z0-9-]+):[\w*?]+", re.ASCII)
# Messages of S3: https://github.com/versity/versitygw/issues/647 (effect) and
# https://github.com/versity/versitygw/issues/650 (action).
BAD_EFFECT = "Invalid effect: {effect}"
BAD_ACTION = "Policy has invalid action"
# https://github.com/aws-cloudformation/cfn-lint/issues/1376. Policies of buckets and keys may have other Sids:
# https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html has some with spaces.
BAD_SID = (
    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
)


def resource_problems(document: Any, service: str = "") -> Iterator[str]:
    """What is wrong with a policy on a resource, apart from which principals and resources it names.

    Args:
        document: the parsed JSON.
        service: the only service that its actions may belong to; empty for any.
    """
    if not isinstance(document, dict):
        yield "A policy is a JSON object."
        return
    yield from (f"The element {name} is not known." for name in sorted(set(document) - DOCUMENT))
    if document.get("Version", VERSIONS[0]) not in VERSIONS:
        yield f"Version must be {' or '.join(VERSIONS)}."
    statements = document.get("Statement")
    listed = statements if isinstance(statements, list) else [statements]
    if not listed:
        yield "A policy needs a statement."
    for statement in listed:
        if not isinstance(statement, dict):
            yield "A statement is a JSON object."
            continue
        yield from (f"The element {name} is not known." for name in sorted(set(statement) - STATEMENT))
        if statement.get("Effect") not in ("Allow", "Deny"):
            yield BAD_EFFECT.format(effect=statement.get("Effect", ""))
        yield from _action_problems(statement, service)
        if "Resource" in statement and "NotResource" in statement:
            yield "A statement has either Resource or NotResource."
        yield from principal_problems(statement)
        yield from condition_problems(statement)


def trust_problems(document: Any) -> Iterator[str]:
    """What is wrong with the trust policy of a role, apart from which principals exist.

    It names no resource, and its actions are those of STS:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html. The message:
    https://github.com/localstack/localstack/issues/6644
    """
    statements = document.get("Statement") if isinstance(document, dict) else None
    listed = statements if isinstance(statements, list) else [statements]
    for statement in listed:
        if isinstance(statement, dict) and {"Resource", "NotResource"} & set(statement):
            yield "Has prohibited field Resource"
        if isinstance(statement, dict) and not {"Action", "NotAction"} & set(statement):
            yield "Missing required field Action"
    for problem in resource_problems(document, "sts"):
        yield "AssumeRole policy may only specify STS AssumeRole actions." if problem == BAD_ACTION else problem
    names = [one["Sid"] for one in listed if isinstance(one, dict) and one.get("Sid")]
    if len({str(name) for name in names}) < len(names):
        yield "Statement IDs (SID) in a single policy must be unique."


def principal_problems(statement: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the elements that name principals."""
    if ("Principal" in statement) is ("NotPrincipal" in statement):
        yield "A statement has either Principal or NotPrincipal."
        return
    named = statement.get("Principal", statement.get("NotPrincipal"))
    if named == "*":
        return
    if not isinstance(named, dict) or not named or set(named) - PRINCIPALS or not all(map(_texts, named.values())):
        yield f"Principal must be * or name principals as {', '.join(sorted(PRINCIPALS))}."


def condition_problems(statement: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the operators of the conditions."""
    operators = statement.get("Condition", {})
    if not isinstance(operators, dict) or not all(isinstance(keys, dict) for keys in operators.values()):
        yield "Condition must be an object of operators, and an operator an object of keys."
        return
    for operator, keys in operators.items():
        for key, values in keys.items() or [("", "")]:
            try:
                Condition.parse(operator, key, values)
            except ConditionError as error:
                yield str(error)


def sid_problems(statement: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the Sid of a statement in a policy of IAM."""
    sid = statement.get("Sid")
    if isinstance(sid, str) and not re.fullmatch("[0-9A-Za-z]*", sid):
        yield BAD_SID


def _action_problems(statement: Mapping[str, Any], service: str) -> Iterator[str]:
    if ("Action" in statement) is ("NotAction" in statement):
        yield "A statement has either Action or NotAction."
        return
    actions = _texts(statement.get("Action", statement.get("NotAction")))
    found = [_ACTION.fullmatch(action) for action in actions]
    services = {(one["service"] or service).lower() for one in found if one}
    if not actions or not all(found) or (service and services != {service}):
        yield BAD_ACTION


def _texts(given: Any) -> list[str]:
    """The texts of an element: one or a list of them; empty if it is neither."""
    listed = given if isinstance(given, list) else [given]
    return listed if all(isinstance(one, str) for one in listed) else []
