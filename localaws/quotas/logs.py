"""What CloudWatch Logs refuses in a retention policy, and in a log group's name and key.

Sources: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html and
API_CreateLogGroup ("Log group names can't start with the string aws/", "if the KMS key does not exist or the KMS key is
disabled, you receive an InvalidParameterException error").
"""

from typing import Any

from localaws.errors import AwsError
from localaws.references import check_key

DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


def check(response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a retention that is not in AWS's list, a reserved name and a key that cannot be used.

    Raises:
        AwsError: InvalidParameterException.
    """
    if operation == "PutRetentionPolicy" and given["retentionInDays"] not in DAYS:
        raise AwsError("InvalidParameterException", f"retentionInDays must be one of {', '.join(map(str, DAYS))}.")
    if operation == "CreateLogGroup" and given["logGroupName"].startswith("aws/"):
        raise AwsError("InvalidParameterException", "Log groups starting with aws/ are reserved for AWS.")
    key = given.get("kmsKeyId") if operation in ("CreateLogGroup", "AssociateKmsKey") else None
    try:
        check_key(response.current_account, response.region, key, "InvalidParameterException")
    except AwsError as error:
        raise AwsError(error.code, f"The specified KMS Key Id could not be found. {error.message}") from None
