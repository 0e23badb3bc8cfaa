"""Contexts of checks, and faults that a check must find."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3

from mlflow_platform.doctor.context import Context
from mlflow_platform.doctor.finding import Verdict
from mlflow_platform.doctor.terraform_state import Resource, TerraformState
from mlflow_platform.environment import Environment, EnvironmentRef
from tests.support.running import RunningLocalAws

NAME = "doctor-test"
ACCOUNT = "123456789012"
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)
SERVICES = ("sts", "sagemaker", "s3", "iam", "kms", "ecr", "scheduler", "sqs", "sns", "ssm", "cloudwatch")
OTHER_POLICY = POLICY.replace("GetObject", "PutObject")


def context_of(localaws: RunningLocalAws, *resources: Resource, **changes: Any) -> Context:
    """A context of an environment with these resources in Terraform's state."""
    environment = Environment.from_outputs(
        EnvironmentRef("staging"),
        {
            "artifact_bucket_name": changes.pop("bucket", f"{NAME}-bucket"),
            "artifact_store_uri": f"s3://{NAME}-bucket",
            "aws_account_id": changes.pop("account", ACCOUNT),
            "aws_region": "us-east-1",
            "endpoint_execution_role_arn": f"arn:aws:iam::{ACCOUNT}:role/{NAME}",
            "mlflow_tracking_uri": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:mlflow-tracking-server/{NAME}",
            "mlflow_version": changes.pop("mlflow_version", "3.0"),
            "project_name": "doctor",
            "tracking_server_name": NAME,
        },
    )
    session = boto3.Session("unused", "unused", region_name="us-east-1")
    given: dict[str, Any] = {
        "versions": {"mlflow": "3.17.2", "sagemaker-mlflow": "0.5.0"}.get,
        "terraform_version": "1.11.4",
        "environ": {},
        "now": lambda: datetime.now(UTC),
        **changes,
    }
    state = given.pop("state", TerraformState("1.11.4", resources))
    context = Context(environment, session, state, **given)
    for service in SERVICES:
        context._clients[service] = localaws.client(service)
    return context


def resource(kind: str, **values: Any) -> Resource:
    """A resource of the state."""
    return Resource(f"{kind}.this", kind, values)


def expect_failure(check: Callable[[Context], Verdict], context: Context, plant: Callable[[], Any], words: str) -> None:
    """Assert that a check passes, plant a fault, and assert that the check names it and a repair."""
    before = check(context)
    assert before.status == "pass", before
    plant()
    after = check(context)
    assert after.status == "fail"
    assert words in after.detail
    assert after.repair
