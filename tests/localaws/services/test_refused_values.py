"""Values that moto accepts and the service refuses, in requests that localaws changes anyway."""

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.errors import AwsError
from localaws.jobs.tools import one_instance
from localaws.services.codebuild import _check_project
from localaws.services.scheduler import _starting
from localaws.services.stepfunctions import _check_logging
from tests.support.running import RunningLocalAws, role


@pytest.mark.parametrize(
    ("accepted", "refused"),
    [
        ({"source": {"type": "NO_SOURCE", "buildspec": "a.yml"}}, {"source": {"type": "NO_SOURCE"}}),
        ({"cache": {"type": "LOCAL", "modes": ["LOCAL_SOURCE_CACHE"]}}, {"cache": {"type": "LOCAL"}}),
        ({"cache": {"type": "S3", "location": "b"}}, {"cache": {"type": "S3"}}),
        ({"logsConfig": {"s3Logs": {"status": "DISABLED"}}}, {"logsConfig": {"s3Logs": {"status": "ENABLED"}}}),
    ],
)
def test_a_project_has_what_its_types_need(accepted: dict[str, Any], refused: dict[str, Any]) -> None:
    _check_project(accepted.get)
    with pytest.raises(AwsError, match="InvalidInputException"):
        _check_project(refused.get)


@pytest.mark.parametrize(
    ("expression", "seconds", "accepted"),
    [("rate(1 day)", -600, False), ("rate(1 day)", -60, True), ("at(2020-01-01T00:00:00)", -600, True)],
)
def test_a_recurring_schedule_does_not_begin_in_the_past(expression: str, seconds: int, accepted: bool) -> None:
    given = {"StartDate": time.time() + seconds, "ScheduleExpression": expression}
    create = _starting(lambda _response: "created")
    response = SimpleNamespace(_get_param=given.get)
    if accepted:
        assert create(response) == "created"
    else:
        with pytest.raises(AwsError, match="StartDate"):
            create(response)


def test_a_job_names_its_instance() -> None:
    one_instance({"InstanceType": "ml.m5.large", "InstanceCount": 1})
    with pytest.raises(AwsError, match="Set InstanceType"):
        one_instance({"InstanceCount": 1})


def test_a_log_level_needs_a_destination() -> None:
    _check_logging(SimpleNamespace(_get_param={"loggingConfiguration": {"level": "OFF"}}.get))
    with pytest.raises(AwsError, match="InvalidLoggingConfiguration"):
        _check_logging(SimpleNamespace(_get_param={"loggingConfiguration": {"level": "ALL"}}.get))


def test_the_role_of_a_target_trusts_eventbridge(localaws: RunningLocalAws) -> None:
    events = localaws.client("events")
    events.put_rule(Name="refused-role", EventPattern=json.dumps({"source": ["aws.ecr"]}))
    target = {"Id": "1", "Arn": f"arn:aws:codebuild:us-east-1:{localaws.settings.account}:project/p"}
    with pytest.raises(ClientError, match="cannot be assumed by principal 'events"):
        events.put_targets(Rule="refused-role", Targets=[{**target, "RoleArn": role(localaws, "refused-role")}])


def test_jobs_that_nothing_runs_are_not_accepted(localaws: RunningLocalAws) -> None:
    with pytest.raises(ClientError, match="NotImplemented"):
        localaws.client("sagemaker").create_compilation_job(
            CompilationJobName="compiled",
            RoleArn=f"arn:aws:iam::{localaws.settings.account}:role/compiler",
            OutputConfig={"S3OutputLocation": "s3://bucket/out", "TargetDevice": "ml_c5"},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
