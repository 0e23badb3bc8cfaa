"""EventBridge Scheduler on localaws: schedules make their calls under their role; a queue keeps failed calls."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.running import RunningLocalAws, settled, tracking_server

GROUP = "scheduled-group"
SERVER = "scheduled"
RETRIES = 2


@dataclass(frozen=True)
class Scheduled:
    """A tracking server, a queue, and methods that create and run a schedule."""

    localaws: RunningLocalAws
    queue: str
    role: str

    def schedule(self, name: str, operation: str, *, role: str = "", server: str = SERVER) -> None:
        account = self.localaws.settings.account
        self.localaws.client("scheduler").create_schedule(
            GroupName=GROUP,
            Name=name,
            ScheduleExpression="cron(0 8 ? * MON-FRI *)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": f"arn:aws:scheduler:::aws-sdk:sagemaker:{operation}",
                "RoleArn": role or self.role,
                "Input": json.dumps({"TrackingServerName": server}),
                "RetryPolicy": {"MaximumRetryAttempts": RETRIES},
                "DeadLetterConfig": {"Arn": f"arn:aws:sqs:us-east-1:{account}:{self.queue.rsplit('/', 1)[-1]}"},
            },
        )

    def run(self, name: str) -> dict[str, Any]:
        return self.localaws.run_schedule(GROUP, name)

    def messages(self, name: str) -> list[dict[str, Any]]:
        """The messages of one schedule in the queue. All tests share it, as a purge is limited to once a minute."""
        given = {"MessageAttributeNames": ["All"], "MaxNumberOfMessages": 10, "VisibilityTimeout": 0}
        found = self.localaws.client("sqs").receive_message(QueueUrl=self.queue, **given).get("Messages", [])
        ending = f":schedule/{GROUP}/{name}"
        return [
            message for message in found if message["MessageAttributes"]["SCHEDULE_ARN"]["StringValue"].endswith(ending)
        ]


def trust(group: str, account: str) -> str:
    """A trust policy for Scheduler and the schedules of one group."""
    source = {
        "aws:SourceAccount": account,
        "aws:SourceArn": f"arn:aws:scheduler:us-east-1:{account}:schedule-group/{group}",
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": source},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trusting(localaws: RunningLocalAws, name: str, group: str) -> str:
    """A role that Scheduler may assume for the schedules of one group."""
    document = trust(group, localaws.settings.account)
    made: str = localaws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    return made


@pytest.fixture(scope="module")
def scheduled(localaws: RunningLocalAws) -> Iterator[Scheduled]:
    localaws.client("scheduler").create_schedule_group(Name=GROUP)
    queue = localaws.client("sqs").create_queue(QueueName="scheduled-failures")["QueueUrl"]
    tracking_server(localaws, SERVER)
    yield Scheduled(localaws, queue, trusting(localaws, "scheduled-scheduler", GROUP))
    localaws.client("sagemaker").delete_mlflow_tracking_server(TrackingServerName=SERVER)


def test_schedules_stop_and_start_a_server_under_their_role(scheduled: Scheduled) -> None:
    scheduled.schedule("stop", "stopMlflowTrackingServer")
    scheduled.schedule("start", "startMlflowTrackingServer")
    assert scheduled.run("stop") | {"schedule": ""} == {"schedule": "", "outcome": "done", "attempts": 1}
    assert settled(scheduled.localaws, SERVER) == "Stopped"
    assert scheduled.run("start")["outcome"] == "done"
    assert settled(scheduled.localaws, SERVER) == "Started"
    callers = {
        call["principal"].split("/")[-2]
        for call in scheduled.localaws.calls(SERVER)
        if call["operation"] in ("StopMlflowTrackingServer", "StartMlflowTrackingServer") and call["resource"] == SERVER
    }
    assert callers == {"scheduled-scheduler"}
    assert scheduled.messages("stop") + scheduled.messages("start") == []


def test_a_failed_call_is_retried_and_then_kept_in_the_queue(scheduled: Scheduled) -> None:
    scheduled.schedule("stop-missing", "stopMlflowTrackingServer", server="scheduled-missing")
    found = scheduled.run("stop-missing")
    assert (found["outcome"], found["attempts"], found["error"]) == ("failed", 1 + RETRIES, "ResourceNotFound")
    [message] = scheduled.messages("stop-missing")
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert json.loads(message["Body"]) == {"TrackingServerName": "scheduled-missing"}
    assert attributes["TARGET_ARN"].endswith(":sagemaker:stopMlflowTrackingServer")
    assert (attributes["ERROR_CODE"], attributes["RETRY_ATTEMPTS"]) == ("ResourceNotFound", str(RETRIES))
    assert "scheduled-missing does not exist" in attributes["ERROR_MESSAGE"]


def test_a_throttled_call_is_retried(scheduled: Scheduled) -> None:
    scheduled.schedule("stop-throttled", "stopMlflowTrackingServer", server="scheduled-throttled")
    scheduled.localaws.fault(
        "sagemaker:StopMlflowTrackingServer", error="ThrottlingException", resource="scheduled-throttled"
    )
    # The fault applies once. The next attempt reaches SageMaker, which refuses the request.
    assert scheduled.run("stop-throttled")["error"] == "ResourceNotFound"


def test_a_schedule_does_not_run_if_its_role_trusts_another_group(scheduled: Scheduled) -> None:
    role = trusting(scheduled.localaws, "scheduled-trusted", GROUP)
    scheduled.schedule("stop-trusted", "stopMlflowTrackingServer", role=role)
    elsewhere = trust("another-group", scheduled.localaws.settings.account)
    scheduled.localaws.client("iam").update_assume_role_policy(RoleName="scheduled-trusted", PolicyDocument=elsewhere)
    found = scheduled.run("stop-trusted")
    assert found["error"] == "ValidationException"
    assert "must allow AWS EventBridge Scheduler to assume the role" in found["message"]


def test_a_missing_schedule_is_not_found(scheduled: Scheduled) -> None:
    assert scheduled.run("nowhere")["error"] == "ResourceNotFoundException"


def test_a_creation_with_a_lost_response_can_be_repeated(scheduled: Scheduled) -> None:
    asked: dict[str, Any] = {
        "Name": "asked-again",
        "ClientToken": "asked-again-1",
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:stopMlflowTrackingServer",
            "RoleArn": trusting(scheduled.localaws, "asked-again", "default"),
        },
    }
    client = scheduled.localaws.client("scheduler")
    assert client.create_schedule(**asked)["ScheduleArn"] == client.create_schedule(**asked)["ScheduleArn"]
    with pytest.raises(client.exceptions.ConflictException):
        client.create_schedule(**asked | {"ClientToken": "asked-again-2"})
