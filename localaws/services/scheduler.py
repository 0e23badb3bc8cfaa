"""EventBridge Scheduler: checks the schedule's role, and makes CreateSchedule idempotent by its client token."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from localaws.moto_methods import original
from localaws.principals import Principals
from localaws.schedules import SCHEDULER, schedule_group_arn
from localaws.services.context import ServiceContext

Method = Callable[[Any], Any]


def install(context: ServiceContext) -> None:
    """Lets CreateSchedule and UpdateSchedule refuse a role that Scheduler may not assume, as AWS does."""
    from moto.scheduler.responses import EventBridgeSchedulerResponse as Response

    create, update = original(Response.create_schedule), original(Response.update_schedule)
    Response.create_schedule = _checked(create, _idempotent(create), context.principals)
    Response.update_schedule = _checked(update, update, context.principals)


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
        principals.check_trust(role, SCHEDULER, schedule_group_arn(response.region, response.current_account, group))
        return method(response)

    return respond
