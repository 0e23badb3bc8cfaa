"""EventBridge: rules run builds, pipelines and notifications, with roles that EventBridge may assume."""

from functools import wraps
from typing import Any

from localaws.delivery.role import EVENTS
from localaws.moto_methods import original
from localaws.services.context import ServiceContext


def install(context: ServiceContext) -> None:
    """Changes moto's rules."""
    from moto.events.responses import EventsHandler

    put = original(EventsHandler.put_targets)

    @wraps(put)
    def put_targets(response: Any) -> Any:
        """The role of a target is checked when it is stored, and again for each event."""
        bus, rule = response._get_param("EventBusName"), response._get_param("Rule")
        name = rule if bus in (None, "default") else f"{bus.rpartition('/')[2]}/{rule}"
        arn = f"arn:aws:events:{response.region}:{response.current_account}:rule/{name}"
        for target in response._get_param("Targets") or []:
            if target.get("RoleArn"):
                context.principals.check_trust(target["RoleArn"], EVENTS, arn)
        return put(response)

    EventsHandler.put_targets = put_targets
    context.delivery.events.install()
