"""EventBridge: sends events of AWS services to the rules that match, and runs the targets that moto does not.

Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
"""

import copy
import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localaws.errors import AwsError
from localaws.moto_methods import original

log = logging.getLogger(__name__)

# Returns a client of a service for a role that EventBridge assumes for a rule: role, rule's ARN, service.
TargetClients = Callable[[str, str, str], Any]
SESSION = "AWSEvents_"
_PLACE = re.compile(r"<([A-Za-z0-9_.-]+)>")
_QUOTE = re.compile(r'(?<!\\)"')
_OWN = ("codebuild", "codepipeline", "sns")


class Events:
    """Sends events to rules. moto has logs, queues, archives and other buses as targets."""

    def __init__(self, account: str, clients: TargetClients, administrator: Callable[[str], Any]) -> None:
        """`administrator` makes clients for targets whose resource policy, not a role, allows EventBridge."""
        self._account = account
        self._clients = clients
        self._administrator = administrator

    def put(self, region: str, source: str, kind: str, detail: dict[str, Any], resources: Sequence[str]) -> None:
        """An event of an AWS service on the default bus."""
        from moto.events.models import events_backends

        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": kind,
            "source": source,
            "account": self._account,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": region,
            "resources": list(resources),
            "detail": detail,
        }
        bus = events_backends[self._account][region].event_buses["default"]
        for rule in list(bus.rules.values()):
            if rule.state == "ENABLED":
                rule.send_to_targets(event)

    def install(self) -> None:
        """Let moto's rules run the targets of this module."""
        from moto.events.models import Rule

        send = original(Rule.send_to_targets)

        @wraps(send)
        def send_to_targets(rule: Any, event: Any, transform_input: bool = True) -> None:
            if not rule.event_pattern.matches_event(event):
                return
            for target in rule.targets:
                if target["Arn"].split(":")[2] in _OWN:
                    # A thread, because the target's call may wait for the call that caused the event.
                    arguments = (rule.arn, target, copy.deepcopy(event))
                    threading.Thread(target=self._deliver, args=arguments, daemon=True).start()
                else:
                    _to_moto(send, rule, target, event, transform_input)

        Rule.send_to_targets = send_to_targets

    def _deliver(self, rule: str, target: dict[str, Any], event: dict[str, Any]) -> None:
        try:
            self._send(rule, target, event)
        except (AwsError, BotoCoreError, ClientError, KeyError, ValueError) as error:
            log.warning("The rule %s could not reach its target %s: %s", rule, target["Arn"], error)

    def _send(self, rule: str, target: dict[str, Any], event: dict[str, Any]) -> None:
        service, name = target["Arn"].split(":")[2], target["Arn"].split(":")[-1]
        given = _input(target, event)
        if service == "sns":
            message = given if isinstance(given, str) else json.dumps(given)
            self._administrator("sns").publish(TopicArn=target["Arn"], Message=message)
            return
        client = self._clients(target["RoleArn"], rule, service)
        if service == "codepipeline":
            client.start_pipeline_execution(name=name)
        else:
            # The input has StartBuild's parameters. An event without a transformer has none of them.
            own = given if "Input" in target or "InputTransformer" in target else {}
            client.start_build(projectName=name.removeprefix("project/"), **own)


def _input(target: dict[str, Any], event: dict[str, Any]) -> Any:
    if "Input" in target:
        return json.loads(target["Input"])
    transformer = target.get("InputTransformer")
    return (
        transformed(transformer["InputTemplate"], transformer.get("InputPathsMap") or {}, event)
        if transformer
        else event
    )


def transformed(template: str, paths: dict[str, str], event: dict[str, Any]) -> Any:
    """Fill in an input template. A variable outside quotes becomes JSON, one in a string becomes text.

    Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html

    Raises:
        ValueError: the result is not JSON.
    """
    values = {name: _at(path, event) for name, path in paths.items()}
    values["aws.events.event.json"] = event
    filled = ""
    end = 0
    for place in _PLACE.finditer(template):
        if place.group(1) not in values:
            continue
        filled += template[end : place.start()]
        value, end = values[place.group(1)], place.end()
        in_string = len(_QUOTE.findall(filled)) % 2 == 1
        text = value if isinstance(value, str) else json.dumps(value)
        # Without the quotes around it, the JSON form of a text has its quotes and line ends escaped.
        filled += json.dumps(text)[1:-1] if in_string else json.dumps(value)
    return json.loads(filled + template[end:])


def _at(path: str, event: dict[str, Any]) -> Any:
    """The value at a JSON path such as `$.detail.name`; as in EventBridge, empty if there is none."""
    found: Any = event
    for name in path.removeprefix("$").removeprefix(".").split("."):
        if not name:
            continue
        if not isinstance(found, dict) or name not in found:
            return ""
        found = found[name]
    return found


def _to_moto(original: Callable[..., None], rule: Any, target: dict[str, Any], event: Any, transform: bool) -> None:
    alone = copy.copy(rule)
    alone.targets = [target]
    try:
        original(alone, event, transform)
    except NotImplementedError:
        log.warning("localaws does not send events to %s, the target of %s", target["Arn"], rule.arn)
