# Says when the month becomes dearer than planned. It stops nothing.
resource "aws_budgets_budget" "monthly" {
  count = var.monthly_budget_usd == null ? 0 : 1

  name         = "${local.name}-mlflow"
  budget_type  = "COST"
  limit_amount = format("%.2f", var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  tags         = var.tags

  # AWS counts by one tag only, and by none that is not activated as a cost allocation tag.
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
      error_message = "monthly_budget_usd has nobody to tell: set notifications as well, as in notifications = { emails = [\"team@example.com\"] }."
    }
  }

  # A budget tries its topic when it is made.
  depends_on = [aws_sns_topic_policy.events]
}
