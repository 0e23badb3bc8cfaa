"""CloudFormation stacks with one MLflow App, which is how Terraform creates Apps with the AWS provider 5."""

import contextlib
import json
from typing import Any

from tests.support.running import RunningLocalAws, role
from tests.support.waiting import eventually

TYPE = "AWS::SageMaker::MlflowApp"
ATTRIBUTES = ("Arn", "MlflowAppId", "MlflowVersion")


def template(localaws: RunningLocalAws, name: str, **properties: Any) -> str:
    """A template with an App that has a bucket and a role of its own."""
    given = {
        "Name": name,
        "ArtifactStoreUri": f"s3://{name}-bucket",
        "RoleArn": role(localaws, f"{name}-role"),
        "ModelRegistrationMode": "AutoModelRegistrationEnabled",
        **properties,
    }
    outputs = {attribute: {"Value": {"Fn::GetAtt": ["App", attribute]}} for attribute in ATTRIBUTES}
    app = {"Type": TYPE, "Properties": given}
    return json.dumps({"Resources": {"App": app}, "Outputs": {"Ref": {"Value": {"Ref": "App"}}, **outputs}})


def create(localaws: RunningLocalAws, name: str, **properties: Any) -> dict[str, Any]:
    """Create the stack `name` and its bucket, and return the stack when it is complete or rolled back."""
    with contextlib.suppress(localaws.client("s3").exceptions.BucketAlreadyOwnedByYou):
        localaws.client("s3").create_bucket(Bucket=f"{name}-bucket")
    body = template(localaws, name, **properties)
    localaws.client("cloudformation").create_stack(
        StackName=name, TemplateBody=body, Tags=[{"Key": "team", "Value": "vision"}]
    )
    return settled(localaws, name)


def settled(localaws: RunningLocalAws, name: str) -> dict[str, Any]:
    """The stack after its current operation."""
    # The first App of a machine waits for its environment to be built.
    return eventually(lambda: _settled(localaws, name), seconds=400)


def reasons(localaws: RunningLocalAws, name: str) -> str:
    """What the stack's events say about failures."""
    events = localaws.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    return "\n".join(event.get("ResourceStatusReason", "") for event in events)


def _settled(localaws: RunningLocalAws, name: str) -> dict[str, Any] | None:
    stack: dict[str, Any] = localaws.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack
