"""Budgets on localaws: the operations that the AWS provider calls and moto lacks."""

from tests.support.running import RunningLocalAws


def test_a_budget_keeps_its_tags_its_subscribers_and_its_new_limit(localaws: RunningLocalAws) -> None:
    budgets, account = localaws.client("budgets"), localaws.settings.account
    arn = f"arn:aws:budgets::{account}:budget/tagged"
    limit = {"Amount": "500", "Unit": "USD"}
    budget = {"BudgetName": "tagged", "BudgetLimit": limit, "TimeUnit": "MONTHLY", "BudgetType": "COST"}
    notification = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0}
    subscribers = [{"SubscriptionType": "SNS", "Address": f"arn:aws:sns:us-east-1:{account}:budget"}]
    budgets.create_budget(
        AccountId=account,
        Budget=budget,
        NotificationsWithSubscribers=[{"Notification": notification, "Subscribers": subscribers}],
        ResourceTags=[{"Key": "project", "Value": "mlflow"}],
    )
    budgets.tag_resource(ResourceARN=arn, ResourceTags=[{"Key": "environment", "Value": "staging"}])
    budgets.untag_resource(ResourceARN=arn, ResourceTagKeys=["project"])
    assert budgets.list_tags_for_resource(ResourceARN=arn)["ResourceTags"] == [
        {"Key": "environment", "Value": "staging"}
    ]
    found = budgets.describe_subscribers_for_notification(
        AccountId=account, BudgetName="tagged", Notification=notification
    )
    assert found["Subscribers"] == subscribers
    budgets.update_budget(AccountId=account, NewBudget={**budget, "BudgetLimit": {"Amount": "600", "Unit": "USD"}})
    described = budgets.describe_budget(AccountId=account, BudgetName="tagged")["Budget"]
    assert described["BudgetLimit"]["Amount"] == "600"
