"""Subscriptions and attributes of topics that SNS refuses.

Sources: https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html (Protocol, Endpoint),
https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html (AttributeName) and
https://docs.aws.amazon.com/sns/latest/dg/fifo-topic-message-delivery.html (FIFO queues).
"""

import re
from typing import Any

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


def check(_response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a subscription whose endpoint does not fit, and an attribute that topics do not have.

    Raises:
        AwsError: InvalidParameter.
    """
    if operation == "Subscribe":
        _check_subscription(given["Protocol"], given.get("Endpoint") or "", given["TopicArn"])
    elif operation in ("CreateTopic", "SetTopicAttributes"):
        for name in given.get("Attributes") or [given.get("AttributeName") or "Policy"]:
            if name not in ATTRIBUTES and not FEEDBACK.fullmatch(name):
                raise AwsError("InvalidParameter", "Invalid parameter: AttributeName")


def _check_subscription(protocol: str, endpoint: str, topic: str) -> None:
    if protocol not in ENDPOINTS:
        raise AwsError("InvalidParameter", f"Invalid parameter: Does not support this protocol string: {protocol}")
    if not re.fullmatch(ENDPOINTS[protocol], endpoint, re.ASCII):
        raise AwsError("InvalidParameter", f"Invalid parameter: The endpoint does not fit the protocol {protocol}.")
    if protocol == "sqs" and endpoint.endswith(".fifo") and not topic.endswith(".fifo"):
        raise AwsError("InvalidParameter", "Invalid parameter: A FIFO queue cannot subscribe to a standard topic.")
