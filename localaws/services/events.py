"""EventBridge: rules run builds, pipelines and notifications, with roles that EventBridge may assume."""

import json
from functools import wraps
from typing import Any

from localaws.delivery.role import EVENTS
from localaws.errors import AwsError
from localaws.moto_methods import original
from localaws.services.context import ServiceContext

_DENIED = {
    "ErrorCode": "NotAuthorizedForSourceException",
    "ErrorMessage": "Not authorized for the source: only AWS's services send events from aws.*.",
}


def install(context: ServiceContext) -> None:
    """Changes moto's rules."""
    from moto.events.models import EventPattern
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

    def put_events(response: Any) -> Any:
        """Only AWS's services send events whose source begins with `aws.`.

        https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html (the code) and
        https://docs.aws.amazon.com/scheduler/latest/APIReference/API_EventBridgeParameters.html (the pattern of Source)
        """
        entries = response._get_param("Entries")
        foreign = [str(one.get("Source") or "").startswith("aws.") for one in entries]
        kept = [one for one, is_foreign in zip(entries, foreign, strict=True) if not is_foreign]
        stored = iter(response.events_backend.put_events(kept))
        found = [_DENIED if is_foreign else next(stored) for is_foreign in foreign]
        return json.dumps({"FailedEntryCount": sum("ErrorCode" in one for one in found), "Entries": found})

    def test_event_pattern(response: Any) -> Any:
        """https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TestEventPattern.html."""
        try:
            event = json.loads(response._get_param("Event"))
        except ValueError:
            raise AwsError("ValidationException", "Parameter Event is not valid. Reason: it is not JSON.") from None
        return json.dumps({"Result": EventPattern.load(response._get_param("EventPattern")).matches_event(event)})

    EventsHandler.put_events = put_events
    EventsHandler.test_event_pattern = test_event_pattern
    EventsHandler.put_targets = put_targets
    context.delivery.events.install()
