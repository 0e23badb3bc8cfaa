"""Stack policies: what is denied, and what no statement allows."""

import json
from typing import Any

import pytest

from localaws.services.stack_policy import refusal

KIND = "AWS::SageMaker::MlflowApp"
ALLOW = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


def deny(**statement: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*", **statement}


@pytest.mark.parametrize(
    ("statements", "action", "allowed"),
    [
        ([ALLOW], "Update:Replace", True),
        ([], "Update:Modify", False),
        ([{**ALLOW, "Action": "Update:Modify"}], "Update:Modify", True),
        ([{**ALLOW, "Action": "Update:Modify"}], "Update:Delete", False),
        ([ALLOW, deny()], "Update:Modify", False),
        ([ALLOW, deny(Resource="LogicalResourceId/Other")], "Update:Delete", True),
        ([ALLOW, deny(Resource="LogicalResourceId/A*")], "Update:Delete", False),
        ([{**ALLOW, "Action": None, "NotAction": "Update:Delete"}], "Update:Replace", True),
        ([{**ALLOW, "Action": None, "NotAction": "Update:Delete"}], "Update:Delete", False),
        ([ALLOW, deny(Condition={"StringEquals": {"ResourceType": [KIND]}})], "Update:Delete", False),
        ([ALLOW, deny(Condition={"StringLike": {"ResourceType": "AWS::SageMaker::*"}})], "Update:Delete", False),
        ([ALLOW, deny(Condition={"StringEquals": {"ResourceType": ["AWS::S3::Bucket"]}})], "Update:Delete", True),
    ],
)
def test_a_deny_wins_and_nothing_is_allowed_by_default(
    statements: list[dict[str, Any]], action: str, allowed: bool
) -> None:
    given = [{name: value for name, value in one.items() if value is not None} for one in statements]
    assert (refusal(json.dumps({"Statement": given}), action, "App", KIND) is None) is allowed


def test_without_a_policy_everything_is_allowed() -> None:
    assert refusal("", "Update:Delete", "App", KIND) is None
