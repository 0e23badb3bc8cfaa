"""Lifecycle policies and keys that ECR refuses.

Sources: https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html and
https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html (KmsException)
"""

import json
from collections.abc import Iterator
from typing import Any

from localaws.errors import AwsError
from localaws.references import check_key

_LISTS = ("tagPrefixList", "tagPatternList")


def check(response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse rules that contradict each other or lack a part, of which moto checks the types, and unusable keys.

    Raises:
        AwsError: InvalidParameterException or KmsException.
    """
    key = (given.get("encryptionConfiguration") or {}).get("kmsKey")
    check_key(response.current_account, response.region, key, "KmsException")
    if operation != "PutLifecyclePolicy":
        return
    try:
        rules = json.loads(given["lifecyclePolicyText"])["rules"]
        problem = next(_problems(rules), None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # moto returns the error.
    if problem:
        message = "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint:"
        raise AwsError("InvalidParameterException", f"{message} 'Lifecycle policy validation failure: {problem}'")


def _problems(rules: list[dict[str, Any]]) -> Iterator[str]:
    priorities = [rule["rulePriority"] for rule in rules]
    if len(set(priorities)) < len(priorities):
        yield "each rule needs a rulePriority of its own"
    if min(priorities, default=1) < 1:
        yield "rulePriority begins at 1"
    for rule in rules:
        selection = rule["selection"]
        status, lists = selection["tagStatus"], [name for name in _LISTS if selection.get(name)]
        if status == "any" and rule["rulePriority"] < max(priorities):
            yield "a rule with tagStatus=any must have the highest rulePriority"
        if status == "tagged" and len(lists) != 1:
            yield "a rule with tagStatus=tagged needs tagPrefixList or tagPatternList"
        if status != "tagged" and lists:
            yield f"a rule with tagStatus={status} has no {lists[0]}"
        if (selection["countType"] == "imageCountMoreThan") == bool(selection.get("countUnit")):
            yield "a countType that counts days needs countUnit=days, and imageCountMoreThan has none"
