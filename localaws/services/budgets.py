"""Budgets: adds tags, a notification's subscribers and UpdateBudget, which the AWS provider calls, to moto."""

import json
from typing import Any

from moto.budgets.exceptions import NotFoundException
from moto.budgets.responses import BudgetsResponse

from localaws.services.context import ServiceContext

ABSENT = "The budget doesn't exist."


def install(_context: ServiceContext) -> None:
    """Changes moto's Budgets. Tags are an attribute of the budget, so they are deleted with it."""
    create = BudgetsResponse.create_budget

    def create_budget(self: Any) -> str:
        created: str = create(self)
        _named(self, self._get_param("Budget")["BudgetName"]).tags = _by_key(self._get_param("ResourceTags"))
        return created

    def update_budget(self: Any) -> str:
        new = self._get_param("NewBudget")
        _named(self, new["BudgetName"]).budget.update(new)
        return json.dumps({})

    def describe_subscribers_for_notification(self: Any) -> str:
        wanted = self._get_param("Notification")
        for notification in _named(self, self._get_param("BudgetName")).notifications:
            if _same(notification.details, wanted):
                return json.dumps({"Subscribers": notification.subscribers})
        raise NotFoundException("The notification doesn't exist.")

    def list_tags_for_resource(self: Any) -> str:
        tags = _by_arn(self).tags
        return json.dumps({"ResourceTags": [{"Key": key, "Value": value} for key, value in tags.items()]})

    def tag_resource(self: Any) -> str:
        _by_arn(self).tags.update(_by_key(self._get_param("ResourceTags")))
        return json.dumps({})

    def untag_resource(self: Any) -> str:
        for key in self._get_param("ResourceTagKeys"):
            _by_arn(self).tags.pop(key, None)
        return json.dumps({})

    for operation in (
        create_budget,
        update_budget,
        describe_subscribers_for_notification,
        list_tags_for_resource,
        tag_resource,
        untag_resource,
    ):
        setattr(BudgetsResponse, operation.__name__, operation)


def _named(response: Any, name: str) -> Any:
    budgets = response.backend.budgets[response._get_param("AccountId") or response.current_account]
    if name not in budgets:
        raise NotFoundException(ABSENT)
    return budgets[name]


def _by_arn(response: Any) -> Any:
    return _named(response, response._get_param("ResourceARN").rpartition(":budget/")[2])


def _by_key(tags: list[dict[str, str]] | None) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags or []}


def _same(held: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(held.get(key) == wanted.get(key) for key in ("NotificationType", "ComparisonOperator", "Threshold"))
