# What tells people: drift or low quality, jobs that could not be created, and runs that are missing.
locals {
  monitoring_failures_name = "${local.monitoring_name}-failures"
  monitoring_failures_arn  = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${local.monitoring_failures_name}"
  monitoring_actions       = var.notification_topic_arn == null ? [] : [var.notification_topic_arn]
  monitoring_namespace     = "MLflowPlatform/Monitoring"
}

# The metric is the number of variants with drift or low quality at the latest run. Between runs the alarm keeps its state.
resource "aws_cloudwatch_metric_alarm" "monitoring" {
  count = local.has_monitoring ? 1 : 0

  alarm_name          = "${local.monitoring_name}-drift-or-quality"
  alarm_description   = "An endpoint of ${local.name} has drifted, or its quality is too low. `python scripts/monitor.py status --env ${var.environment}` says which."
  namespace           = local.monitoring_namespace
  metric_name         = "Alarms"
  dimensions          = { Environment = local.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "ignore"
  alarm_actions       = local.monitoring_actions
  ok_actions          = local.monitoring_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "monitoring_missing" {
  count = local.has_monitoring ? 1 : 0

  alarm_name          = "${local.monitoring_name}-missing"
  alarm_description   = "No monitoring of ${local.name} was completed within ${var.monitoring.alarm_after_hours} hours. See the processing jobs ${local.monitoring_name}-* in SageMaker and their logs in /aws/sagemaker/ProcessingJobs."
  namespace           = local.monitoring_namespace
  metric_name         = "CompletedRuns"
  dimensions          = { Environment = local.name }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = var.monitoring.alarm_after_hours
  datapoints_to_alarm = var.monitoring.alarm_after_hours
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = local.monitoring_actions
  ok_actions          = local.monitoring_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "monitoring_not_started" {
  count = local.has_monitoring ? 1 : 0

  alarm_name          = "${local.monitoring_name}-not-started"
  alarm_description   = "A monitoring job of ${local.name} could not be created. The messages in queue ${aws_sqs_queue.monitoring_failures[0].name} say why. The alarm ends when the queue is empty."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.monitoring_failures[0].name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  alarm_actions       = local.monitoring_actions
  ok_actions          = local.monitoring_actions
  tags                = var.tags

  # SQS reports nothing for a queue that was not used for six hours.
  treat_missing_data = "notBreaching"
}

resource "aws_sqs_queue" "monitoring_failures" {
  count = local.has_monitoring ? 1 : 0

  name                      = local.monitoring_failures_name
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  policy                    = data.aws_iam_policy_document.monitoring_failures.json
  tags                      = var.tags
}

# The schedule's role allows sending.
data "aws_iam_policy_document" "monitoring_failures" {
  statement {
    sid       = "DenyWithoutTLS"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [local.monitoring_failures_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

# A rate, or one time a day at most: a fixed hour.
check "hours_between_monitoring" {
  assert {
    condition = try(
      tonumber(regex("^rate\\(([0-9]+) ", var.monitoring.schedule_expression)[0]) * { minute = 1, hour = 60, day = 1440 }[regex("(minute|hour|day)s?\\)$", var.monitoring.schedule_expression)[0]] < var.monitoring.alarm_after_hours * 60,
      !can(regex("^cron\\([0-9]+ [0-9]+ ", var.monitoring.schedule_expression)) || var.monitoring.alarm_after_hours > 24,
      true,
    )
    error_message = "monitoring.schedule_expression is \"${try(var.monitoring.schedule_expression, "")}\" and monitoring.alarm_after_hours is ${try(var.monitoring.alarm_after_hours, 3)}, so the alarm for missing monitoring is raised between any two runs. Set alarm_after_hours to more hours than are between two runs (168 at most), or monitor more often."
  }
}
