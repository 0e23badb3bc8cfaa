"""EventBridge Scheduler: checks schedules and their groups, and makes CreateSchedule idempotent by its client token."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from zoneinfo import available_timezones

from localaws import schedule_expressions
from localaws.errors import AwsError
from localaws.moto_methods import original
from localaws.principals import Principals
from localaws.schedules import SCHEDULER, schedule_group_arn
from localaws.services import scheduler_targets
from localaws.services.context import ServiceContext

Method = Callable[[Any], Any]
LATE = 300


def install(context: ServiceContext) -> None:
    """Lets CreateSchedule and UpdateSchedule refuse a role that Scheduler may not assume, as AWS does."""
    from moto.scheduler.responses import EventBridgeSchedulerResponse as Response

    create, update = original(Response.create_schedule), original(Response.update_schedule)
    Response.create_schedule = _checked(create, _idempotent(_starting(create)), context.principals)
    Response.update_schedule = _checked(update, update, context.principals)
    create_group = original(Response.create_schedule_group)
    Response.create_schedule_group = wraps(create_group)(_idempotent(_new_group(create_group)))
    Response.delete_schedule_group = _existing_group(original(Response.delete_schedule_group))


def _idempotent(create: Method) -> Method:
    """Returns the first response again for a repeated client token: SDKs resend it after a lost response.

    Source: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html (ClientToken)
    """
    created: dict[str, Any] = {}

    def respond(response: Any) -> Any:
        token = response._get_param("ClientToken")
        if token not in created:
            answer = create(response)
            if token:
                created[token] = answer
            return answer
        return created[token]

    return respond


def _checked(original: Method, method: Method, principals: Principals) -> Method:
    @wraps(original)
    def respond(response: Any) -> Any:
        role = (response._get_param("Target") or {}).get("RoleArn", "")
        group = response._get_param("GroupName") or "default"
        _check_group(response, group)
        _check_time(response)
        scheduler_targets.check(response._get_param("Target") or {})
        principals.check_trust(role, SCHEDULER, schedule_group_arn(response.region, response.current_account, group))
        return method(response)

    return respond


def _starting(create: Method) -> Method:
    """A recurring schedule does not begin in the past. moto checks this for some cron expressions only.

    https://github.com/getmoto/moto/pull/8172
    """

    def respond(response: Any) -> Any:
        start, expression = response._get_param("StartDate"), response._get_param("ScheduleExpression")
        if start is not None and not expression.startswith("at(") and float(start) < time.time() - LATE:
            raise AwsError("ValidationException", "The StartDate you specify cannot be earlier than 5 minutes ago.")
        return create(response)

    return respond


def _check_group(response: Any, name: str) -> None:
    if name not in response.scheduler_backend.schedule_groups:
        raise AwsError("ResourceNotFoundException", f"Schedule group {name} does not exist.", 404)


def _check_time(response: Any) -> None:
    """The message for an expression: https://github.com/localstack/localstack/issues/9284."""
    expression = response._get_param("ScheduleExpression") or ""
    if not schedule_expressions.is_valid(expression):
        raise AwsError("ValidationException", f"Invalid Schedule Expression {expression}.")
    window = response._get_param("FlexibleTimeWindow") or {}
    if window.get("Mode") == "FLEXIBLE" and not window.get("MaximumWindowInMinutes"):
        # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-flexible-time-windows.html
        raise AwsError("ValidationException", "A flexible time window needs MaximumWindowInMinutes.")
    zone = response._get_param("ScheduleExpressionTimezone")
    # A machine without a time zone database knows none.
    if zone and (known := available_timezones()) and zone not in known:
        raise AwsError("ValidationException", f"The ScheduleExpressionTimezone {zone} is not valid.")


def _new_group(create: Method) -> Method:
    """moto replaces a group that exists, with all of its schedules.

    https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateScheduleGroup.html (ConflictException)
    """

    def respond(response: Any) -> Any:
        name = response.uri.partition("?")[0].rpartition("/")[2]
        if name in response.scheduler_backend.schedule_groups:
            raise AwsError("ConflictException", f"Schedule group {name} already exists.", 409)
        return create(response)

    return respond


def _existing_group(delete: Method) -> Method:
    """The default group stays: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-group-delete.html."""

    @wraps(delete)
    def respond(response: Any) -> Any:
        name = response.uri.partition("?")[0].rpartition("/")[2]
        _check_group(response, name)
        if name == "default":
            raise AwsError("ValidationException", "The default schedule group cannot be deleted.")
        return delete(response)

    return respond
