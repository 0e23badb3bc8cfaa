"""Stacks with an MLflow App that cannot be created. Those with a running App are in tests/localaws/tracking."""

from pathlib import Path

import pytest

from tests.localaws.tracking import stacks
from tests.support.running import RunningLocalAws, role


@pytest.mark.parametrize(
    ("name", "properties", "reason"),
    [
        ("stack-key", {"KmsKeyId": "alias/aws/s3"}, "extraneous key [KmsKeyId] is not permitted"),
        ("stack-mode", {"ModelRegistrationMode": "Yes"}, "Member must satisfy enum value set"),
        ("stack-role", {"RoleArn": "arn:aws:iam::123456789012:role/nobodys"}, "Could not assume role"),
        ("stack-bucket", {"ArtifactStoreUri": "s3://no-bucket-of-a-stack"}, "The specified bucket does not exist"),
    ],
)
def test_a_stack_whose_app_cannot_be_created_is_rolled_back(
    localaws: RunningLocalAws, name: str, properties: dict[str, str], reason: str
) -> None:
    assert stacks.create(localaws, name, **properties)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reason in stacks.reasons(localaws, name)
    assert name not in {
        one["Name"] for one in localaws.client("sagemaker").list_mlflow_apps(MaxResults=100)["Summaries"]
    }
    localaws.client("cloudformation").delete_stack(StackName=name)


def test_a_stack_needs_the_permissions_of_what_it_creates(localaws: RunningLocalAws) -> None:
    stacks.create(localaws, "stack-permissions", ArtifactStoreUri="s3://no-bucket-of-a-stack")
    call = next(one for one in localaws.calls("stack-permissions") if one["operation"] == "CreateStack")
    needed = {one["action"] for one in call["iam"]}
    assert {"cloudformation:CreateStack", "sagemaker:CreateMlflowApp", "sagemaker:AddTags", "iam:PassRole"} <= needed


def test_the_example_passes_its_parameters_to_the_app(localaws: RunningLocalAws) -> None:
    example = Path(__file__).resolve().parents[3] / "examples/mlflow-app"
    given = {
        "Name": "example",
        "ArtifactStoreUri": "s3://no-bucket-of-the-example",
        "RoleArn": role(localaws, "example"),
    }
    localaws.client("cloudformation").create_stack(
        StackName="example",
        TemplateBody=(example / "template.json").read_text(),
        StackPolicyBody=(example / "stack-policy.json").read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )
    assert stacks.settled(localaws, "example")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "The specified bucket does not exist: no-bucket-of-the-example" in stacks.reasons(localaws, "example")
