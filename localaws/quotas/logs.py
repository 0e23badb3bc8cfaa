"""What CloudWatch Logs refuses in a retention policy."""

from typing import Any

from localaws.errors import AwsError

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


def check(_response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a retention that is not in AWS's list.

    Raises:
        AwsError: InvalidParameterException.
    """
    if operation == "PutRetentionPolicy" and given["retentionInDays"] not in DAYS:
        raise AwsError("InvalidParameterException", f"retentionInDays must be one of {', '.join(map(str, DAYS))}.")
