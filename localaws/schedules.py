"""EventBridge Scheduler's schedules, run when a test or a person asks: moto keeps them and never runs one.

A schedule is made only with a role that trusts Scheduler, which is looked at again when it runs.

Only universal targets (`arn:aws:scheduler:::aws-sdk:SERVICE:OPERATION`) are run. The call is really made, under the
schedule's role; retries follow each other at once, where Scheduler backs off for hours.
Sources: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html,
https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html,
https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
"""

import json
import re
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from localaws import clients
from localaws.errors import AwsError
from localaws.iam.trust import Service
from localaws.principals import Credentials, Principals, random_id
from localaws.settings import Settings

# Source of the words: https://github.com/hashicorp/terraform-provider-aws (internal/service/scheduler/retry.go)
SCHEDULER = Service(
    "scheduler.amazonaws.com",
    "ValidationException",
    "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
)
UNIVERSAL = re.compile(r"arn:aws:scheduler:::aws-sdk:([a-z0-9-]+):([a-z]\w+)")


class Schedules:
    """Runs what stands in moto's Scheduler."""

    def __init__(self, settings: Settings, principals: Principals) -> None:
        self._settings = settings
        self._principals = principals
        self._created: dict[str, Any] = {}
        self._refuse_roles()

    def run(self, group: str, name: str) -> dict[str, Any]:
        """Runs a schedule as at its time; the answer says how often it tried and what came of it.

        Blocks until the target has answered, so not for an event loop.

        Raises:
            AwsError: ResourceNotFoundException; ValidationException where the role does not let Scheduler take it up
                any more, or for a target that is not universal.
        """
        schedule = self._find(group, name)
        target = schedule.target
        found = UNIVERSAL.fullmatch(target["Arn"])
        if found is None:
            raise AwsError("ValidationException", f"localaws runs universal targets only, not {target['Arn']}.")
        if schedule.state == "DISABLED":
            return {"schedule": schedule.arn, "outcome": "disabled", "attempts": 0}
        role = self._assume(target["RoleArn"], _source(self._settings.region, self._settings.account, group))
        service, operation = found.groups()
        client = self._client(role, service)
        retries = int(target["RetryPolicy"].get("MaximumRetryAttempts", 185))
        for attempt in range(1 + retries):
            try:
                getattr(client, xform_name(operation[0].upper() + operation[1:]))(**json.loads(target["Input"]))
            except ClientError as error:
                code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            except (BotoCoreError, AttributeError, ValueError) as error:
                code, message = "ValidationException", str(error)
            else:
                return {"schedule": schedule.arn, "outcome": "done", "attempts": attempt + 1}
        failure = {"schedule": schedule.arn, "outcome": "failed", "attempts": 1 + retries, "error": code}
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if queue:
            self._bury(role, queue, schedule, code, message, retries)
            failure["dead_letter_queue"] = queue
        return failure

    def _find(self, group: str, name: str) -> Any:
        from moto.scheduler.models import scheduler_backends

        groups = scheduler_backends[self._settings.account][self._settings.region].schedule_groups
        if group not in groups or name not in groups[group].schedules:
            raise AwsError("ResourceNotFoundException", f"Schedule {name} does not exist in group {group}.", 404)
        return groups[group].schedules[name]

    def _refuse_roles(self) -> None:
        """Lets CreateSchedule and UpdateSchedule refuse a role that Scheduler may not take up, as AWS does."""
        from moto.scheduler.responses import EventBridgeSchedulerResponse

        for name, change in (("create_schedule", self._once), ("update_schedule", lambda method: method)):
            method = getattr(EventBridgeSchedulerResponse, name)
            original = getattr(method, "__wrapped__", method)
            setattr(EventBridgeSchedulerResponse, name, self._checked(original, change(original)))

    def _once(self, method: Any) -> Any:
        """Lets a creation whose answer was lost be asked for again: every SDK gives it a token, and then keeps that.

        Source: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html (ClientToken)
        """

        def respond(response: Any) -> Any:
            token = response._get_param("ClientToken")
            if token not in self._created:
                answer = method(response)
                if token:
                    self._created[token] = answer
                return answer
            return self._created[token]

        return respond

    def _checked(self, original: Any, method: Any) -> Any:
        @wraps(original)
        def respond(response: Any) -> Any:
            role = (response._get_param("Target") or {}).get("RoleArn", "")
            group = response._get_param("GroupName") or "default"
            source = _source(response.region, response.current_account, group)
            self._principals.check_trust(role, SCHEDULER, source)
            return method(response)

        return respond

    def _assume(self, role: str, source: str) -> Credentials:
        return self._principals.assume(role, f"scheduler-{random_id()}", SCHEDULER, source)

    def _client(self, role: Credentials, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, read_timeout=60)
        return clients.client(service, role, self._settings.region, self._settings.url, config)

    def _bury(self, role: Credentials, queue: str, schedule: Any, code: str, message: str, retries: int) -> None:
        """The dead-letter event, sent by the schedule's role as on AWS."""
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
            MessageBody=schedule.target["Input"],
            MessageAttributes={
                key: {"DataType": "String", "StringValue": value} for key, value in attributes.items() if value
            },
        )


def _source(region: str, account: str, group: str) -> str:
    """Scheduler says whose schedule it is by the group, not by the schedule."""
    return f"arn:aws:scheduler:{region}:{account}:schedule-group/{group}"
