"""Runs EventBridge Scheduler's schedules on request: moto stores schedules and never runs one.

It runs universal targets (`arn:aws:scheduler:::aws-sdk:SERVICE:OPERATION`), CodeBuild projects and state machines.
localaws makes a real call under the schedule's role. Retries follow each other immediately; Scheduler waits longer each
time, up to hours.
Sources: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html,
https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html,
https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
"""

import json
import re
import secrets
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from localaws import clients
from localaws.credentials import Credentials
from localaws.errors import AwsError
from localaws.iam.trust import Service
from localaws.principals import Principals, random_id
from localaws.settings import Settings

# Source of the message: https://github.com/hashicorp/terraform-provider-aws (internal/service/scheduler/retry.go)
SCHEDULER = Service(
    "scheduler.amazonaws.com",
    "ValidationException",
    "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
)
UNIVERSAL = re.compile(r"arn:aws:scheduler:::aws-sdk:([a-z0-9-]+):([a-z]\w+)")
# A templated target; Scheduler calls StartBuild:
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
PROJECT = re.compile(r"arn:aws[a-z-]*:codebuild:[a-z0-9-]+:[0-9]+:project/([A-Za-z0-9_-]+)")
# A templated target; Scheduler calls StartExecution. Source: the same page.
STATE_MACHINE = re.compile(r"arn:aws[a-z-]*:states:[a-z0-9-]+:[0-9]+:stateMachine:[A-Za-z0-9_-]+")
# Scheduler's own default: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html
MAX_RETRIES = 185


class Schedules:
    """Runs the schedules that moto stores."""

    def __init__(self, settings: Settings, principals: Principals) -> None:
        self._settings = settings
        self._principals = principals

    def run(self, group: str, name: str) -> dict[str, Any]:
        """Runs a schedule now; returns the number of attempts and their result.

        Blocks until the target has answered: do not call it in an event loop.

        Raises:
            AwsError: ResourceNotFoundException; ValidationException if the role no longer trusts Scheduler, or the
                target is not universal.
        """
        schedule = self._find(group, name)
        target = schedule.target
        service, operation, request = _request(target)
        if schedule.state == "DISABLED":
            return {"schedule": schedule.arn, "outcome": "disabled", "attempts": 0}
        source = schedule_group_arn(self._settings.region, self._settings.account, group)
        role = self._principals.assume(target["RoleArn"], f"scheduler-{random_id()}", SCHEDULER, source)
        client = self._client(role, service)
        retries = int(target["RetryPolicy"].get("MaximumRetryAttempts", MAX_RETRIES))
        for attempt in range(1 + retries):
            try:
                filled = _filled(request, schedule.arn, attempt + 1)
                getattr(client, xform_name(operation[0].upper() + operation[1:]))(**json.loads(filled))
            except ClientError as error:
                code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            except (BotoCoreError, AttributeError, ValueError) as error:
                code, message = "ValidationException", str(error)
            else:
                return {"schedule": schedule.arn, "outcome": "done", "attempts": attempt + 1}
        failure = {"schedule": schedule.arn, "outcome": "failed", "attempts": 1 + retries, "error": code}
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if queue:
            self._send_to_dlq(role, queue, schedule, code, message, retries)
            failure["dead_letter_queue"] = queue
        return failure

    def _find(self, group: str, name: str) -> Any:
        from moto.scheduler.models import scheduler_backends

        groups = scheduler_backends[self._settings.account][self._settings.region].schedule_groups
        if group not in groups or name not in groups[group].schedules:
            raise AwsError("ResourceNotFoundException", f"Schedule {name} does not exist in group {group}.", 404)
        return groups[group].schedules[name]

    def _client(self, role: Credentials, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, read_timeout=60)
        return clients.client(service, role, self._settings.region, self._settings.url, config)

    def _send_to_dlq(self, role: Credentials, queue: str, schedule: Any, code: str, message: str, retries: int) -> None:
        """Sends the dead-letter event with the schedule's role, as on AWS."""
        account, name = queue.split(":")[4:6]
        attributes = {
            "ERROR_CODE": code,
            "ERROR_MESSAGE": message,
            "EXECUTION_ID": random_id(),
            "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
            "IS_PAYLOAD_TRUNCATED": "false",
            "RETRY_ATTEMPTS": str(retries),
            "SCHEDULED_TIME": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "SCHEDULE_ARN": schedule.arn,
            "TARGET_ARN": schedule.target["Arn"],
        }
        self._client(role, "sqs").send_message(
            QueueUrl=f"{self._settings.url}/{account}/{name}",
            MessageBody=schedule.target.get("Input") or "{}",
            MessageAttributes={
                key: {"DataType": "String", "StringValue": value} for key, value in attributes.items() if value
            },
        )


def _filled(text: str, arn: str, attempt: int) -> str:
    """An input with the values of Scheduler's context attributes.

    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    values = {
        "schedule-arn": arn,
        "scheduled-time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        # 16 characters, as in AWS's example d32c5kddcf5bb8c3.
        "execution-id": secrets.token_hex(8),
        "attempt-number": str(attempt),
    }
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def _request(target: dict[str, Any]) -> tuple[str, str, str]:
    """Service, operation and request (JSON) of a target.

    Raises:
        AwsError: ValidationException for a kind of target that localaws does not run.
    """
    universal = UNIVERSAL.fullmatch(target["Arn"])
    if universal:
        return universal[1], universal[2], target["Input"]
    project = PROJECT.fullmatch(target["Arn"])
    if project:
        given = json.loads(target.get("Input") or "{}")
        return "codebuild", "startBuild", json.dumps({**given, "projectName": project[1]})
    if STATE_MACHINE.fullmatch(target["Arn"]):
        return (
            "stepfunctions",
            "startExecution",
            json.dumps({"stateMachineArn": target["Arn"], "input": target.get("Input") or "{}"}),
        )
    raise AwsError("ValidationException", f"localaws does not run targets such as {target['Arn']}.")


def schedule_group_arn(region: str, account: str, group: str) -> str:
    """Scheduler sends the group's ARN as aws:SourceArn, not the schedule's."""
    return f"arn:aws:scheduler:{region}:{account}:schedule-group/{group}"
