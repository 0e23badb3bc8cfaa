"""Names and attributes of queues, and messages that SQS refuses.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html. The message:
https://github.com/cloud-custodian/cloud-custodian/issues/1816. Names: API_CreateQueue. Messages: API_SendMessage.
"""

import json
from typing import Any

from localaws.errors import NOT_XML, AwsError

RANGES = {
    "DelaySeconds": (0, 900),
    "KmsDataKeyReusePeriodSeconds": (60, 86400),
    "MaximumMessageSize": (1024, 1048576),
    "MessageRetentionPeriod": (60, 1209600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43200),
}
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
RECEIVED = range(1, 1001)


def check(_response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse values out of range. moto returns the error for a dead-letter queue that does not exist.

    Raises:
        AwsError: InvalidAttributeValue, InvalidParameterValue, MissingParameter or InvalidMessageContents.
    """
    if operation == "SendMessage":
        _check_message(given.get("MessageBody") or "")
    if operation not in ("CreateQueue", "SetQueueAttributes"):
        return
    attributes = given.get("Attributes") or {}
    name = given.get("QueueName") or ""
    if name.endswith(".fifo") and attributes.get("FifoQueue") != "true":
        message = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        raise AwsError("InvalidParameterValue", message)
    if attributes.get("KmsMasterKeyId") and attributes.get("SqsManagedSseEnabled") == "true":
        # API_SetQueueAttributes: "Only one server-side encryption option is supported per queue".
        raise _invalid("SqsManagedSseEnabled")
    for name, (least, most) in RANGES.items():
        value = str(attributes.get(name, least))
        if not value.isdecimal() or not least <= int(value) <= most:
            raise _invalid(name)
    if attributes.get("RedrivePolicy") and not _is_redrive(attributes["RedrivePolicy"]):
        raise _invalid("RedrivePolicy")


def _check_message(body: str) -> None:
    if not body:
        raise AwsError("MissingParameter", "The request must contain the parameter MessageBody.")
    if NOT_XML.search(body):
        raise AwsError("InvalidMessageContents", "The message contains characters outside the allowed set.")


def _is_redrive(text: str) -> bool:
    try:
        policy = json.loads(text)
        return bool(policy["deadLetterTargetArn"]) and int(policy["maxReceiveCount"]) in RECEIVED
    except (ValueError, KeyError, TypeError):
        return False


def _invalid(name: str) -> AwsError:
    return AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
