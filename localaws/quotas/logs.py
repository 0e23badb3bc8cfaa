"""What CloudWatch Logs refuses in a retention policy, in a log group's name and key, and in a batch of events.

Sources: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html and
API_CreateLogGroup ("Log group names can't start with the string aws/", "if the KMS key does not exist or the KMS key is
disabled, you receive an InvalidParameterException error") and API_PutLogEvents.
"""

import time
from typing import Any

from localaws.errors import AwsError
from localaws.references import check_key

DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)

BATCH_BYTES, EVENT_BYTES = 1048576, 26
HOUR = 3600 * 1000
# "For valid events (within 14 days in the past to 2 hours in future), the time span [...] cannot exceed 24 hours."
OLDEST, NEWEST, SPAN = -14 * 24 * HOUR, 2 * HOUR, 24 * HOUR


def check(response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a retention that is not in AWS's list, a reserved name, a key that cannot be used, and a batch of events.

    Raises:
        AwsError: InvalidParameterException or ResourceNotFoundException.
    """
    if operation == "PutRetentionPolicy" and given["retentionInDays"] not in DAYS:
        raise AwsError("InvalidParameterException", f"retentionInDays must be one of {', '.join(map(str, DAYS))}.")
    if operation == "CreateLogGroup" and given["logGroupName"].startswith("aws/"):
        raise AwsError("InvalidParameterException", "Log groups starting with aws/ are reserved for AWS.")
    if operation == "PutMetricFilter" and given["logGroupName"] not in response.logs_backend.groups:
        # API_PutMetricFilter (ResourceNotFoundException)
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    if operation == "PutLogEvents":
        _check_batch(given["logEvents"])
    key = given.get("kmsKeyId") if operation in ("CreateLogGroup", "AssociateKmsKey") else None
    try:
        check_key(response.current_account, response.region, key, "InvalidParameterException")
    except AwsError as error:
        raise AwsError(error.code, f"The specified KMS Key Id could not be found. {error.message}") from None


def _check_batch(events: list[dict[str, Any]]) -> None:
    size = sum(len(one["message"].encode()) + EVENT_BYTES for one in events)
    if size > BATCH_BYTES:
        message = f"Upload too large: {size} bytes exceeds limit of {BATCH_BYTES}"
        raise AwsError("InvalidParameterException", message)
    now = time.time() * 1000
    valid = [one["timestamp"] for one in events if OLDEST <= one["timestamp"] - now <= NEWEST]
    if valid and max(valid) - min(valid) > SPAN:
        message = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        raise AwsError("InvalidParameterException", message)
