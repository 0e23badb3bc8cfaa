"""Subscriptions, messages, and attributes of topics and subscriptions that SNS refuses.

Sources: https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html (Protocol, Endpoint, Attributes),
https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html (AttributeName),
https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html (a topic that exists),
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html (Message, Subject),
https://docs.aws.amazon.com/sns/latest/dg/large-message-payloads.html (MaximumMessageSize) and
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
    | {"FifoThroughputScope", "FifoTopic", "KmsMasterKeyId", "MaximumMessageSize", "Policy", "SignatureVersion"}
    | {"TracingConfig"}
)
# One for each protocol, for example HTTPSuccessFeedbackRoleArn.
FEEDBACK = re.compile(
    r"(Application|Firehose|HTTP|Lambda|SQS)(SuccessFeedbackRoleArn|SuccessFeedbackSampleRate|FailureFeedbackRoleArn)"
)


# SNS_DISPLAY_NAME_MAX_LENGTH in https://developer.toradex.com/knowledge-base/cloud-sns-lib-api; AWS documents none.
DISPLAY_NAME = 100
# The default of MaximumMessageSize, what it can be, and the protocols of subscriptions to a topic for larger messages.
MESSAGE_BYTES = 262144
SIZES = range(1024, 1048577)
LARGE = ("sqs", "lambda", "firehose")
_LINE = re.compile(r"[\x00-\x1f\x7f]")
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
        if _limit(response, given["TopicArn"]) > MESSAGE_BYTES:
            _check_large([given["Protocol"]])
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
    if operation == "SetTopicAttributes" and int(attributes.get("MaximumMessageSize") or 0) > MESSAGE_BYTES:
        held = list(response.backend.subscriptions.values())
        _check_large([one.protocol for one in held if one.topic.arn == given["TopicArn"]])
    if operation == "PublishBatch":
        _check_batch(given["PublishBatchRequestEntries"], _limit(response, given["TopicArn"]))
    if operation == "Publish":
        message = given.get("Message") or ""
        if not message:
            raise _invalid("Empty message")
        if _size(given) > _limit(response, given.get("TopicArn") or given.get("TargetArn")):
            raise _invalid("Message too long")
        if _LINE.search(given.get("Subject") or ""):
            raise _invalid("Subject")
        if given.get("MessageStructure") == "json" and "default" not in (_parsed(message) or {}):
            problem = "No default entry in JSON message body"
            raise _invalid(f"Message Structure - {problem}")


def message_bytes(topic: Any) -> int:
    """The largest message of moto's topic in bytes; the default if the topic is None."""
    return int(getattr(topic, "maximum_message_size", MESSAGE_BYTES))


def _limit(response: Any, topic: str | None) -> int:
    return message_bytes(response.backend.topics.get(topic))


def _size(given: dict[str, Any]) -> int:
    """The bytes of a message, or of an entry of a batch, with its attributes."""
    attributes = given.get("MessageAttributes") or {}
    values = [one.get("StringValue") or one.get("BinaryValue") or "" for one in attributes.values()]
    texts = [given["Message"], *attributes, *(one.get("DataType") or "" for one in attributes.values()), *values]
    return sum(len(one.encode() if isinstance(one, str) else one) for one in texts)


def _check_batch(entries: list[dict[str, Any]], limit: int) -> None:
    """https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html (errors): the sum of the messages is limited."""
    if not entries:
        raise AwsError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
    if sum(map(_size, entries)) > limit:
        raise AwsError("BatchRequestTooLong", "The length of all the batch messages put together is over the limit.")


def _check_large(protocols: list[str]) -> None:
    other = next((one for one in protocols if one not in LARGE), None)
    if other:
        raise _invalid(f"MaximumMessageSize above {MESSAGE_BYTES} excludes subscriptions with the protocol {other}.")


def _check_attribute(name: str, value: str) -> None:
    if value and name in VALUES and value.lower() not in [one.lower() for one in VALUES[name]]:
        raise _invalid(f"{name}: {value} is none of {', '.join(VALUES[name])}.")
    if name == "DisplayName" and len(value) > DISPLAY_NAME:
        raise _invalid(f"DisplayName has more than {DISPLAY_NAME} characters.")
    if name == "MaximumMessageSize" and (not value.isdecimal() or int(value) not in SIZES):
        raise _invalid(f"MaximumMessageSize: {value} is not a number from {SIZES[0]} to {SIZES[-1]}.")
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
        default = MESSAGE_BYTES if attribute == "MaximumMessageSize" else None
        former = str(getattr(held, camelcase_to_underscores(attribute), default))
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
