"""Targets that EventBridge Scheduler refuses."""

import pytest

from localaws.errors import AwsError
from localaws.services.scheduler_targets import check

UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"


@pytest.mark.parametrize(
    ("arn", "given"),
    [
        ("codebuild", None),
        ("arn:aws:s3:::bucket", None),
        (f"{UNIVERSAL}sagemaker:stopServer", "{}"),
        (f"{UNIVERSAL}sagemaker:StopMlflowTrackingServer", "{}"),
        (f"{UNIVERSAL}sagemaker:describeMlflowTrackingServer", "{}"),
        (f"{UNIVERSAL}sagemaker:stopMlflowTrackingServer", "name"),
        ("arn:aws:states:us-east-1:123456789012:stateMachine:m", "name"),
    ],
)
def test_refuses(arn: str, given: str | None) -> None:
    with pytest.raises(AwsError, match="ValidationException"):
        check({"Arn": arn, "Input": given})


@pytest.mark.parametrize(
    ("arn", "given"),
    [
        (f"{UNIVERSAL}sagemaker:stopMlflowTrackingServer", '{"TrackingServerName": "a"}'),
        (f"{UNIVERSAL}sfn:startExecution", "{}"),
        ("arn:aws:states:us-east-1:123456789012:stateMachine:m", "{}"),
        ("arn:aws:sqs:us-east-1:123456789012:queue", "any text"),
        ("arn:aws:codebuild:us-east-1:123456789012:project/p", None),
    ],
)
def test_accepts(arn: str, given: str | None) -> None:
    check({"Arn": arn, "Input": given})
