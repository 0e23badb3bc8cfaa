"""What AWS has billed this month for resources with the environment's tags, as Cost Explorer says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mlflow_common.errors import error_message, first_line, is_denied
from mlflow_platform.monthly_cost.months import Months


@dataclass(frozen=True)
class Bill:
    """Costs by service, or why there are none. Cost Explorer is up to a day late."""

    by_service: Mapping[str, float] = field(default_factory=dict)
    currency: str = "USD"
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """The bill as a JSON object."""
        return {
            "by_service": dict(self.by_service),
            "total": sum(self.by_service.values()),
            "currency": self.currency,
            "reason": self.reason or None,
        }


def billed(explorer: Any, tags: Mapping[str, str], months: Months) -> Bill:
    """Ask Cost Explorer for this month's unblended costs by service (AWS charges 0.01 USD for each page of the answer).

    Only tags that were activated as cost allocation tags can be asked for:
    https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html
    """
    wanted = [{"Tags": {"Key": key, "Values": [value]}} for key, value in tags.items()]
    asked: dict[str, Any] = {
        "TimePeriod": {"Start": f"{months.start:%Y-%m-%d}", "End": f"{months.now + timedelta(days=1):%Y-%m-%d}"},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
        "Filter": {"And": wanted},
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    try:
        answers = [explorer.get_cost_and_usage(**asked)]
        # https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html
        while token := answers[-1].get("NextPageToken"):
            answers.append(explorer.get_cost_and_usage(**asked, NextPageToken=token))
    except Exception as error:
        if is_denied(error):
            return Bill(reason="you may not read it: your role lacks ce:GetCostAndUsage")
        # Such as DataUnavailableException in the first day after Cost Explorer was enabled.
        return Bill(reason=f"Cost Explorer does not answer: {error_message(error) or first_line(error)}")
    costs: dict[str, float] = {}
    currency = "USD"
    for period in (period for answer in answers for period in answer.get("ResultsByTime", [])):
        for group in period.get("Groups", []):
            cost = group["Metrics"]["UnblendedCost"]
            costs[group["Keys"][0]] = costs.get(group["Keys"][0], 0.0) + float(cost["Amount"])
            currency = cost["Unit"]
    if not costs:
        names = " and ".join(tags)
        return Bill(reason=f"nothing has these tags. Activate {names} as cost allocation tags in the Billing console")
    return Bill(costs, currency)
