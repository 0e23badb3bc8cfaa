"""A service can assume a role only if the role's trust policy allows it. Each service returns its own error."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.running import RunningLocalAws

ACCOUNT, OTHER = "123456789012", "210987654321"
GROUP = "schedule-group/default"
Use = Callable[[RunningLocalAws, str, str], Any]


@dataclass(frozen=True)
class Taker:
    """A service, its operation that receives a role, and the source ARN with which AWS assumes the role."""

    service: str
    use: Use
    source: str
    code: str
    message: str


def serve(localaws: RunningLocalAws, name: str, role: str) -> Any:
    return localaws.client("sagemaker").create_mlflow_tracking_server(
        TrackingServerName=name, ArtifactStoreUri="s3://nowhere", RoleArn=role
    )


def host(localaws: RunningLocalAws, name: str, role: str) -> Any:
    image = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/mlflow-pyfunc:3.17.2"
    return localaws.client("sagemaker").create_model(
        ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": image}
    )


def build(localaws: RunningLocalAws, name: str, role: str) -> Any:
    return localaws.client("codebuild").create_project(
        name=name,
        source={"type": "S3", "location": "bucket/folder/"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "any", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=role,
    )


def schedule(localaws: RunningLocalAws, name: str, role: str) -> Any:
    return localaws.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": f"arn:aws:codebuild:us-east-1:{ACCOUNT}:project/any", "RoleArn": role},
    )


def automate(localaws: RunningLocalAws, name: str, role: str) -> Any:
    definition = json.dumps({"StartAt": "Only", "States": {"Only": {"Type": "Succeed"}}})
    return localaws.client("stepfunctions").create_state_machine(name=name, definition=definition, roleArn=role)


TAKERS = {
    "tracking": Taker("sagemaker", serve, "*", "ValidationException", "Could not assume role {role}. Please ensure"),
    "hosting": Taker("sagemaker", host, "*", "ValidationException", 'The execution role ARN "{role}" is invalid.'),
    "codebuild": Taker(
        "codebuild", build, "project/{name}", "InvalidInputException", "CodeBuild is not authorized to perform: sts:"
    ),
    "scheduler": Taker(
        "scheduler", schedule, GROUP, "ValidationException", "The execution role you provide must allow AWS EventBridge"
    ),
    "states": Taker(
        "states",
        automate,
        "stateMachine:{name}",
        "AccessDeniedException",
        "Neither the global service principal states",
    ),
}


def trust(service: str, **condition: Any) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    whole = {**statement, "Condition": condition} if condition else statement
    return json.dumps({"Version": "2012-10-17", "Statement": [whole]})


def role(localaws: RunningLocalAws, name: str, document: str) -> str:
    arn: str = localaws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    return arn


def arn(taker: Taker, resource: str) -> str:
    return f"arn:aws:{taker.service}:us-east-1:{ACCOUNT}:{resource}"


UNTRUSTING: dict[str, Callable[[Taker], str]] = {
    "another-service": lambda _: trust("lambda"),
    "another-account": lambda taker: trust(taker.service, StringEquals={"aws:SourceAccount": OTHER}),
    "another-source": lambda taker: trust(taker.service, ArnEquals={"aws:SourceArn": arn(taker, "other/one")}),
    "denied": lambda taker: json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                *json.loads(trust(taker.service))["Statement"],
                {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"},
            ],
        }
    ),
}


@pytest.mark.parametrize("kind", TAKERS)
@pytest.mark.parametrize("why", UNTRUSTING)
def test_a_role_that_does_not_trust_the_service_is_refused_when_it_is_passed(
    localaws: RunningLocalAws, kind: str, why: str
) -> None:
    taker, name = TAKERS[kind], f"untrusting-{kind}-{why}"
    given = role(localaws, name, UNTRUSTING[why](taker))
    with pytest.raises(ClientError) as refused:
        taker.use(localaws, name, given)
    error = refused.value.response["Error"]
    assert error["Code"] == taker.code
    assert error["Message"].startswith(taker.message.format(role=given))


@pytest.mark.parametrize("kind", TAKERS)
def test_a_role_of_another_account_is_refused_even_if_this_account_has_one_of_that_name(
    localaws: RunningLocalAws, kind: str
) -> None:
    taker, name = TAKERS[kind], f"abroad-{kind}"
    given = role(localaws, name, trust(taker.service))
    with pytest.raises(ClientError, match=taker.code):
        taker.use(localaws, name, given.replace(ACCOUNT, OTHER))


@pytest.mark.parametrize("kind", ["hosting", "codebuild", "scheduler", "states"])
def test_a_role_that_trusts_the_service_for_its_account_and_source_is_accepted(
    localaws: RunningLocalAws, kind: str
) -> None:
    taker, name = TAKERS[kind], f"trusting-{kind}"
    condition = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": arn(taker, taker.source.format(name=name))}
    assert taker.use(localaws, name, role(localaws, name, trust(taker.service, StringEquals=condition)))


def test_an_endpoint_fails_with_the_reason_if_its_role_no_longer_trusts_sagemaker(localaws: RunningLocalAws) -> None:
    name = "trusted-once"
    given = role(localaws, name, trust("sagemaker"))
    host(localaws, name, given)
    sagemaker = localaws.client("sagemaker")
    variant = {"VariantName": "one", "ModelName": name, "InstanceType": "ml.m6i.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    localaws.client("iam").update_assume_role_policy(RoleName=name, PolicyDocument=trust("lambda"))
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    with pytest.raises(Exception, match="EndpointInService failed"):
        sagemaker.get_waiter("endpoint_in_service").wait(
            EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
        )
    reason = sagemaker.describe_endpoint(EndpointName=name)["FailureReason"]
    assert reason.startswith(f'The execution role ARN "{given}" is invalid.')
