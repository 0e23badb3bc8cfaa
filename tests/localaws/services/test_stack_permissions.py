"""A stack requires the permissions for its resources, of its role or else of the caller."""

from typing import Any

import pytest

from localaws.call import Call, current_call
from localaws.errors import AwsError
from localaws.services.mlflow_app_resource import MlflowAppResource
from localaws.services.stack_permissions import NESTED, StackPermissions

ROLE = "arn:aws:iam::123456789012:role/stack"


def template(*kinds: str) -> dict[str, Any]:
    return {"Resources": {f"One{number}": {"Type": kind} for number, kind in enumerate(kinds)}}


@pytest.mark.parametrize(
    ("given", "actions"),
    [
        (template("AWS::IAM::User", "AWS::IAM::Role", "AWS::S3::Bucket"), ["iam:*", "s3:*"]),
        (template("AWS::StepFunctions::StateMachine"), ["states:*"]),
        (template("AWS::CloudFormation::Stack"), ["*:*"]),
        (template("Custom::Any"), ["*:*"]),
        (NESTED, ["*:*"]),
        (template("AWS::SageMaker::MlflowApp"), []),
        ({}, []),
    ],
)
def test_a_stack_requires_all_actions_of_the_services_of_its_resources(
    given: dict[str, Any], actions: list[str]
) -> None:
    checked: list[str] = []
    asked: list[str] = []

    def is_allowed(_role: str, action: str) -> bool:
        asked.append(action)
        return True

    token = current_call.set(Call("POST", "/", "/", "", {}, b"", service="cloudformation", principal="me"))
    try:
        permissions = StackPermissions(lambda call: checked.append(call.action), is_allowed, enforces=True)
        permissions.check(given, None)
        permissions.check(given, ROLE)
        StackPermissions(lambda call: checked.append(call.action), is_allowed, enforces=False).check(given, None)
    finally:
        current_call.reset(token)
    assert checked == asked == actions


def test_a_role_without_the_permissions_creates_no_stack() -> None:
    def guard(_call: Call) -> None:
        raise AssertionError("the caller does not matter")

    permissions = StackPermissions(guard, lambda _role, _action: False, enforces=True)
    with pytest.raises(AwsError, match="iam:"):
        permissions.check(template("AWS::IAM::User"), ROLE)


def test_an_app_of_a_stack_is_limited_by_the_session_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[Call] = []
    monkeypatch.setattr(MlflowAppResource, "guard", staticmethod(checked.append), raising=False)
    caller = Call("POST", "/", "/", "", {}, b"", service="cloudformation", principal="me", access_key="AK")
    token = current_call.set(caller)
    try:
        MlflowAppResource._authorize("CreateMlflowApp", {"Name": "a"}, "us-east-1")
    finally:
        current_call.reset(token)
    assert [(call.principal, call.access_key, call.action) for call in checked] == [
        ("me", "AK", "sagemaker:CreateMlflowApp")
    ]
