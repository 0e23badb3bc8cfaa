"""Notifications that Budgets refuses.

Source: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Notification.html ("one SNS
subscriber and up to 10 email subscribers") and API_budgets_CreateBudget (DuplicateRecordException).
"""

import re
from typing import Any

from localaws.errors import AwsError

NOTIFICATIONS, TOPICS, EMAILS = 10, 1, 10
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w.-]+", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_SAME = ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")


def check(_response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse notifications of a new budget.

    Raises:
        AwsError: InvalidParameterException, DuplicateRecordException or CreationLimitExceededException.
    """
    notifications = given.get("NotificationsWithSubscribers") or []
    if operation != "CreateBudget":
        return
    if len(notifications) > NOTIFICATIONS:
        raise AwsError("CreationLimitExceededException", f"A budget has at most {NOTIFICATIONS} notifications.")
    seen = [tuple(one["Notification"].get(name) for name in _SAME) for one in notifications]
    if len(set(seen)) < len(seen):
        raise AwsError("DuplicateRecordException", "Two notifications are the same.")
    for subscribers in (one["Subscribers"] for one in notifications):
        kinds = [one["SubscriptionType"] for one in subscribers]
        if kinds.count("SNS") > TOPICS or kinds.count("EMAIL") > EMAILS:
            message = f"A notification has at most {TOPICS} SNS and {EMAILS} email subscribers."
            raise AwsError("CreationLimitExceededException", message)
        for one in subscribers:
            form = _TOPIC if one["SubscriptionType"] == "SNS" else _EMAIL
            if not form.fullmatch(one["Address"]):
                raise AwsError("InvalidParameterException", f"The address {one['Address']} is not valid.")
