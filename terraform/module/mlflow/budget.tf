# Sends a message when the monthly cost exceeds the budget. It does not stop any resource.
resource "aws_budgets_budget" "monthly" {
  count = var.monthly_budget_usd == null ? 0 : 1

  name         = "${local.global_name}-mlflow"
  budget_type  = "COST"
  limit_amount = format("%.2f", var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  tags         = var.tags

  # A budget filters by one tag, which must be activated as a cost allocation tag.
  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:project$%s", var.project_name)]
  }

  notification {
    notification_type         = "ACTUAL"
    comparison_operator       = "GREATER_THAN"
    threshold                 = 80
    threshold_type            = "PERCENTAGE"
    subscriber_sns_topic_arns = [local.topic_arn]
  }

  notification {
    notification_type         = "FORECASTED"
    comparison_operator       = "GREATER_THAN"
    threshold                 = 100
    threshold_type            = "PERCENTAGE"
    subscriber_sns_topic_arns = [local.topic_arn]
  }

  lifecycle {
    precondition {
      condition     = local.has_notifications
      error_message = "monthly_budget_usd needs notifications. Set for example notifications = { emails = [\"team@example.com\"] }."
    }
  }

  # AWS sends a test message to the topic when it creates the budget.
  depends_on = [aws_sns_topic_policy.events]
}

# Without the tag, the budget counts nothing of the environment, and its message never comes.
check "tag_of_the_budget" {
  assert {
    condition     = var.monthly_budget_usd == null || try(merge(data.aws_default_tags.current.tags, var.tags)["project"] == var.project_name, false)
    error_message = "monthly_budget_usd counts what has the tag project = \"${var.project_name}\", and neither tags nor the provider's default_tags set it. Add it to one of them."
  }
}
