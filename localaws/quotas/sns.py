"""Subscriptions, messages, and attributes of topics and subscriptions that SNS refuses.

Sources: https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html (Protocol, Endpoint, Attributes),
https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html (AttributeName),
https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html (a topic that exists),
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html (Message) and
https://docs.aws.amazon.com/sns/latest/dg/fifo-topic-message-delivery.html (FIFO queues). The message about JSON:
https://github.com/localstack/localstack (tests/aws/services/sns, compared with AWS).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from moto.core.utils import camelcase_to_underscores

from localaws.errors import AwsError

# The endpoint of each protocol.
ENDPOINTS = {
    "http": r"http://.+",
    "https": r"https://.+",
    "email": r"[^@\s]+@[^@\s]+",
    "email-json": r"[^@\s]+@[^@\s]+",
    "sms": r"\+?[\d\s()-]+",
    "sqs": r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[\w-]+(\.fifo)?",
    "application": r"arn:aws[a-z-]*:sns:.+",
    "lambda": r"arn:aws[a-z-]*:lambda:.+",
    "firehose": r"arn:aws[a-z-]*:firehose:.+",
}
ATTRIBUTES = frozenset(
    {"ArchivePolicy", "ContentBasedDeduplication", "DataProtectionPolicy", "DeliveryPolicy", "DisplayName"}
    | {"FifoThroughputScope", "FifoTopic", "KmsMasterKeyId", "Policy", "SignatureVersion", "TracingConfig"}
)
# One for each protocol, for example HTTPSuccessFeedbackRoleArn.
FEEDBACK = re.compile(
    r"(Application|Firehose|HTTP|Lambda|SQS)(SuccessFeedbackRoleArn|SuccessFeedbackSampleRate|FailureFeedbackRoleArn)"
)


# SNS_DISPLAY_NAME_MAX_LENGTH in https://developer.toradex.com/knowledge-base/cloud-sns-lib-api; AWS documents none.
DISPLAY_NAME = 100
MESSAGE_BYTES = 262144
# The values of an attribute of a topic or a subscription.
VALUES: Mapping[str, tuple[str, ...]] = {
    "FilterPolicyScope": ("MessageAttributes", "MessageBody"),
    "RawMessageDelivery": ("true", "false"),
    "SignatureVersion": ("1", "2"),
    "TracingConfig": ("Active", "PassThrough"),
}
JSON = ("DeliveryPolicy", "FilterPolicy", "RedrivePolicy")
_SUBSCRIPTIONS = ("Subscribe", "SetSubscriptionAttributes")
_TOPICS = ("CreateTopic", "SetTopicAttributes")


def check(response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a subscription whose endpoint does not fit, attributes that SNS does not take, and messages.

    Raises:
        AwsError: InvalidParameter.
    """
    if operation == "Subscribe":
        _check_subscription(given["Protocol"], given.get("Endpoint") or "", given["TopicArn"])
    attributes = given.get("Attributes") or {given.get("AttributeName") or "Policy": given.get("AttributeValue") or ""}
    if operation in _TOPICS:
        for name in attributes:
            if name not in ATTRIBUTES and not FEEDBACK.fullmatch(name):
                raise _invalid("AttributeName")
    if operation in (*_TOPICS, *_SUBSCRIPTIONS):
        for name, value in attributes.items():
            _check_attribute(name, value)
    if operation == "CreateTopic":
        _check_same(response, given["Name"], given.get("Attributes") or {})
    if operation == "Publish":
        message = given.get("Message") or ""
        if not message:
            raise _invalid("Empty message")
        if len(message.encode()) > MESSAGE_BYTES:
            raise _invalid("Message too long")
        if given.get("MessageStructure") == "json" and "default" not in (_parsed(message) or {}):
            problem = "No default entry in JSON message body"
            raise _invalid(f"Message Structure - {problem}")


def _check_attribute(name: str, value: str) -> None:
    if value and name in VALUES and value.lower() not in [one.lower() for one in VALUES[name]]:
        raise _invalid(f"{name}: {value} is none of {', '.join(VALUES[name])}.")
    if name == "DisplayName" and len(value) > DISPLAY_NAME:
        raise _invalid(f"DisplayName has more than {DISPLAY_NAME} characters.")
    if name not in JSON or not value:
        return
    parsed = _parsed(value)
    if parsed is None:
        raise _invalid(f"{name}: failed to parse JSON.")
    queue = str(parsed.get("deadLetterTargetArn") or "")
    if name == "RedrivePolicy" and not re.fullmatch(ENDPOINTS["sqs"], queue, re.ASCII):
        raise _invalid("RedrivePolicy: deadLetterTargetArn is not a queue.")


def _parsed(text: str) -> dict[str, Any] | None:
    """The JSON object of a text; None if it is not one."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _check_same(response: Any, name: str, attributes: dict[str, str]) -> None:
    """A topic that exists is returned only if the request's attributes are the topic's."""
    topics = response.backend.topics
    held = topics.get(f"arn:{response.partition}:sns:{response.region}:{response.current_account}:{name}")
    for attribute, value in attributes.items():
        former = str(getattr(held, camelcase_to_underscores(attribute), None))
        if value.lower() in ("true", "false"):  # moto has Python's values.
            former, value = former.lower(), value.lower()
        if held is not None and former != value and (_parsed(value) is None or _parsed(former) != _parsed(value)):
            raise _invalid("Attributes Reason: Topic already exists with different attributes")


def _check_subscription(protocol: str, endpoint: str, topic: str) -> None:
    if protocol not in ENDPOINTS:
        raise _invalid(f"Does not support this protocol string: {protocol}")
    if not re.fullmatch(ENDPOINTS[protocol], endpoint, re.ASCII):
        raise _invalid(f"The endpoint does not fit the protocol {protocol}.")
    if protocol == "sqs" and endpoint.endswith(".fifo") and not topic.endswith(".fifo"):
        raise _invalid("A FIFO queue cannot subscribe to a standard topic.")


def _invalid(problem: str) -> AwsError:
    return AwsError("InvalidParameter", f"Invalid parameter: {problem}")
