"""EventBridge Scheduler on localaws: schedules make their calls under their role; a queue keeps failed calls.

Step Functions on localaws: the module's own state machine starts and stops a server.
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from localaws.schedules import _filled
from localaws.services import scheduler
from tests.support.provider import REPOSITORY
from tests.support.running import RunningLocalAws, settled, tracking_server
from tests.support.waiting import eventually

GROUP = "scheduled-group"
SERVER = "scheduled"
RETRIES = 2


@dataclass(frozen=True)
class Scheduled:
    """A tracking server, a queue, and methods that create and run a schedule."""

    localaws: RunningLocalAws
    queue: str
    role: str

    def schedule(self, name: str, target: str, *, role: str = "", server: str = SERVER, **given: str) -> None:
        """Creates a schedule; `target` is an operation of SageMaker or an ARN."""
        account = self.localaws.settings.account
        self.localaws.client("scheduler").create_schedule(
            GroupName=GROUP,
            Name=name,
            ScheduleExpression="cron(0 8 ? * MON-FRI *)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": target if target.startswith("arn:") else f"arn:aws:scheduler:::aws-sdk:sagemaker:{target}",
                "RoleArn": role or self.role,
                "Input": json.dumps({"TrackingServerName": server} | given),
                "RetryPolicy": {"MaximumRetryAttempts": RETRIES},
                "DeadLetterConfig": {"Arn": f"arn:aws:sqs:us-east-1:{account}:{self.queue.rsplit('/', 1)[-1]}"},
            },
        )

    def run(self, name: str) -> dict[str, Any]:
        return self.localaws.run_schedule(GROUP, name)

    def messages(self, name: str) -> list[dict[str, Any]]:
        """The messages of one schedule in the queue."""
        ending = f":schedule/{GROUP}/{name}"
        return [
            message
            for message in self.all_messages()
            if message["MessageAttributes"].get("SCHEDULE_ARN", {}).get("StringValue", "").endswith(ending)
        ]

    def all_messages(self) -> list[dict[str, Any]]:
        """All messages in the queue, which all tests share, as a purge is limited to once a minute."""
        given = {"MessageAttributeNames": ["All"], "MaxNumberOfMessages": 10, "VisibilityTimeout": 0}
        found: list[dict[str, Any]] = (
            self.localaws.client("sqs").receive_message(QueueUrl=self.queue, **given).get("Messages", [])
        )
        return found


def trust(group: str, account: str) -> str:
    """A trust policy for Scheduler and the schedules of one group."""
    return service_trust("scheduler", f"arn:aws:scheduler:us-east-1:{account}:schedule-group/{group}", account)


def service_trust(service: str, source_arn: str, account: str) -> str:
    """A trust policy for a service and one of its resources."""
    source = {"aws:SourceAccount": account, "aws:SourceArn": source_arn}
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
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


@dataclass(frozen=True)
class Machine:
    """The state machine of the Terraform module, started by schedules."""

    scheduled: Scheduled
    arn: str

    def run(self, action: str, server: str = SERVER) -> dict[str, Any]:
        """Runs a schedule that starts an execution, and returns the execution at its end."""
        name = f"{action}-{server}-by-machine"
        scheduler, sfn = (self.scheduled.localaws.client(service) for service in ("scheduler", "stepfunctions"))
        known = [one["executionArn"] for one in sfn.list_executions(stateMachineArn=self.arn)["executions"]]
        if name not in [one["Name"] for one in scheduler.list_schedules(GroupName=GROUP)["Schedules"]]:
            self.scheduled.schedule(name, self.arn, server=server, Action=action)
        assert self.scheduled.run(name) | {"schedule": ""} == {"schedule": "", "outcome": "done", "attempts": 1}
        listed = sfn.list_executions(stateMachineArn=self.arn)["executions"]
        [arn] = {one["executionArn"] for one in listed} - set(known)
        eventually(lambda: sfn.describe_execution(executionArn=arn)["status"] != "RUNNING", 60)
        found: dict[str, Any] = sfn.describe_execution(executionArn=arn)
        return found

    def states(self, execution: dict[str, Any]) -> list[str]:
        """The names of the states that an execution entered."""
        client = self.scheduled.localaws.client("stepfunctions")
        pages = client.get_paginator("get_execution_history").paginate(
            executionArn=execution["executionArn"], PaginationConfig={"PageSize": 4}
        )
        events = [event for page in pages for event in page["events"]]
        return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


@pytest.fixture(scope="module")
def machine(scheduled: Scheduled) -> Machine:
    account, client = scheduled.localaws.settings.account, scheduled.localaws.client
    arn = f"arn:aws:states:us-east-1:{account}:stateMachine:start-stop"
    trusted = service_trust("states", arn, account)
    role = client("iam").create_role(RoleName="start-stop", AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    text = (REPOSITORY / "terraform/module/mlflow/start_stop.asl.json").read_text()
    retry = json.dumps([{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 2}])
    for name, value in {"partition": "aws", "queue_url": scheduled.queue, "retry": retry}.items():
        text = text.replace(f"${{{name}}}", value)
    text = text.replace('"IntervalSeconds": 10', '"IntervalSeconds": 1')
    made = client("stepfunctions").create_state_machine(name="start-stop", definition=text, roleArn=role)
    assert made["stateMachineArn"] == arn
    return Machine(scheduled, arn)


def test_the_modules_state_machine_stops_and_starts_a_server_once(machine: Machine) -> None:
    localaws = machine.scheduled.localaws
    assert machine.states(machine.run("start")) == ["Describe", "Choose", "Done"]
    assert machine.states(machine.run("stop")) == ["Describe", "Choose", "Stop", "Done"]
    assert settled(localaws, SERVER) == "Stopped"
    stopped_again = machine.run("stop")
    assert (stopped_again["status"], machine.states(stopped_again)) == ("SUCCEEDED", ["Describe", "Choose", "Done"])
    assert machine.states(machine.run("start")) == ["Describe", "Choose", "Start", "Done"]
    assert settled(localaws, SERVER) == "Started"
    calls = [
        call
        for call in localaws.calls(SERVER)
        if call["operation"] in ("StopMlflowTrackingServer", "StartMlflowTrackingServer") and call["resource"] == SERVER
    ]
    assert [call["operation"] for call in calls] == ["StopMlflowTrackingServer", "StartMlflowTrackingServer"]
    assert {call["principal"].split("/")[-2] for call in calls} == {"start-stop"}
    assert [
        one for one in machine.scheduled.all_messages() if json.loads(one["Body"])["TrackingServerName"] == SERVER
    ] == []


def test_the_modules_state_machine_keeps_a_failed_call_in_the_queue(machine: Machine) -> None:
    found = machine.run("stop", "scheduled-nowhere")
    assert (found["status"], found["error"]) == ("FAILED", "NotDone")
    [message] = [one for one in machine.scheduled.all_messages() if "scheduled-nowhere" in one["Body"]]
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert json.loads(message["Body"]) == {"TrackingServerName": "scheduled-nowhere", "Action": "stop"}
    assert attributes["ERROR_CODE"] == "SageMaker.ResourceNotFoundException"
    assert "scheduled-nowhere does not exist" in attributes["ERROR_MESSAGE"]
    assert attributes["EXECUTION_ID"] == found["executionArn"]


def test_a_stopped_execution_makes_no_further_call(machine: Machine) -> None:
    client = machine.scheduled.localaws.client("stepfunctions")
    given = json.dumps({"Action": "stop", "TrackingServerName": "scheduled-aborted"})
    machine.scheduled.localaws.fault(
        "sagemaker:DescribeMlflowTrackingServer", delay=4, times=1, resource="scheduled-aborted"
    )
    arn = client.start_execution(stateMachineArn=machine.arn, input=given)["executionArn"]
    eventually(lambda: machine.states({"executionArn": arn}), 60)
    client.stop_execution(executionArn=arn)
    assert client.describe_execution(executionArn=arn)["status"] == "ABORTED"

    def described() -> int:
        operations = [one["operation"] for one in machine.scheduled.localaws.calls("scheduled-aborted")]
        return operations.count("DescribeMlflowTrackingServer")

    eventually(lambda: described() > 0, 60)
    time.sleep(1.5)
    assert described() == 1  # Otherwise it would have been retried by now.
    assert client.describe_execution(executionArn=arn)["status"] == "ABORTED"


def test_a_state_machine_with_a_wrong_definition_or_role_is_refused(machine: Machine) -> None:
    client = machine.scheduled.localaws.client("stepfunctions")
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}})
    checked = client.validate_state_machine_definition(definition=definition)
    assert (checked["result"], checked["diagnostics"][0]["message"]) == (
        "FAIL",
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: B",
    )
    with pytest.raises(client.exceptions.InvalidDefinition):
        client.create_state_machine(name="wrong", definition=definition, roleArn=machine.scheduled.role)
    right = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    assert client.validate_state_machine_definition(definition=right)["result"] == "OK"
    with pytest.raises(client.exceptions.ClientError, match=r"Neither the global service principal"):
        client.create_state_machine(name="untrusted", definition=right, roleArn=machine.scheduled.role)
    role = client.describe_state_machine(stateMachineArn=machine.arn)["roleArn"]
    with pytest.raises(client.exceptions.StateMachineAlreadyExists):
        client.create_state_machine(name="start-stop", definition=right, roleArn=role)


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
    scheduled.localaws.client("sqs").purge_queue(QueueUrl=scheduled.queue)  # As the runbook says.
    assert scheduled.all_messages() == []


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
    request: dict[str, Any] = {
        "Name": "request-again",
        "ClientToken": "request-again-1",
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:stopMlflowTrackingServer",
            "RoleArn": trusting(scheduled.localaws, "request-again", "default"),
        },
    }
    client = scheduled.localaws.client("scheduler")
    assert client.create_schedule(**request)["ScheduleArn"] == client.create_schedule(**request)["ScheduleArn"]
    with pytest.raises(client.exceptions.ConflictException):
        client.create_schedule(**request | {"ClientToken": "request-again-2"})


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"GroupName": "no-such-group"}, "ResourceNotFoundException"),
        ({"ScheduleExpression": "cron(0 25 * * ? *)"}, "ValidationException"),
        ({"ScheduleExpressionTimezone": "Europe/Atlantis"}, "ValidationException"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "ValidationException"),
    ],
)
def test_a_schedule_that_aws_refuses_is_refused(scheduled: Scheduled, changed: dict[str, Any], code: str) -> None:
    target = {"Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:stopMlflowTrackingServer", "RoleArn": scheduled.role}
    request = {"Name": "refused", "ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": {"Mode": "OFF"}}
    client = scheduled.localaws.client("scheduler")
    with pytest.raises(client.exceptions.ClientError, match=code):
        client.create_schedule(**request | {"Target": target} | changed)


def test_a_machine_without_a_time_zone_database_accepts_any_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "available_timezones", set)
    given = {"ScheduleExpression": "rate(1 hour)", "ScheduleExpressionTimezone": "UTC"}
    scheduler._check_time(SimpleNamespace(_get_param=given.get))


def test_a_group_exists_once_and_the_default_group_stays(localaws: RunningLocalAws) -> None:
    client = localaws.client("scheduler")
    client.create_schedule_group(Name="made-once", ClientToken="made-once-1")
    client.create_schedule_group(Name="made-once", ClientToken="made-once-1")
    with pytest.raises(client.exceptions.ConflictException):
        client.create_schedule_group(Name="made-once")
    client.delete_schedule_group(Name="made-once")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.delete_schedule_group(Name="made-once")
    with pytest.raises(client.exceptions.ValidationException):
        client.delete_schedule_group(Name="default")


def test_context_attributes_of_an_input_are_filled_in() -> None:
    names = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
    text = " ".join(f"<aws.scheduler.{name}>" for name in names)
    arn, time, execution, attempt = _filled(text, "arn:schedule", 2).split()
    assert (arn, attempt, len(execution)) == ("arn:schedule", "2", 16)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", time)
    assert _filled(text, "arn:schedule", 3).split()[2] != execution
