# Starts the backup, keeps the starts that failed, and raises an alarm when a backup is missing.
locals {
  backup_failures_name = "${local.backup_name}-failures"
  backup_failures_arn  = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${local.backup_failures_name}"
}

# StartBuild is a templated target, which needs the project's ARN only.
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
resource "aws_scheduler_schedule" "backup" {
  count = local.has_backup ? 1 : 0

  name                         = local.backup_name
  description                  = "Backs up the MLflow server of ${local.name}"
  schedule_expression          = var.backup.schedule_expression
  schedule_expression_timezone = local.backup_time_zone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_codebuild_project.backup[0].arn
    role_arn = aws_iam_role.backup_schedule[0].arn

    # A start is refused while a build runs (concurrent_build_limit) and when the account's build quota is used up.
    retry_policy {
      maximum_event_age_in_seconds = 7200
      maximum_retry_attempts       = 20
    }

    dead_letter_config {
      arn = aws_sqs_queue.backup_failures[0].arn
    }
  }

  depends_on = [aws_iam_role_policy.backup_schedule]
}

resource "aws_sqs_queue" "backup_failures" {
  count = local.has_backup ? 1 : 0

  name                      = local.backup_failures_name
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  policy                    = data.aws_iam_policy_document.backup_failures.json
  tags                      = var.tags
}

# The schedule's role allows sending.
data "aws_iam_policy_document" "backup_failures" {
  statement {
    sid       = "DenyWithoutTLS"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [local.backup_failures_arn]

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

resource "aws_cloudwatch_metric_alarm" "backup_not_started" {
  count = local.has_backup ? 1 : 0

  alarm_name          = "${local.backup_name}-not-started"
  alarm_description   = "A backup of ${local.name} could not be started. The messages in queue ${aws_sqs_queue.backup_failures[0].name} say why. The alarm ends when the queue is empty."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.backup_failures[0].name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  alarm_actions       = local.has_notifications ? [local.topic_arn] : []
  ok_actions          = local.has_notifications ? [local.topic_arn] : []
  tags                = var.tags

  # SQS reports nothing for a queue that was not used for six hours.
  treat_missing_data = "notBreaching"
}

# Covers every reason for a missing backup: a deleted or disabled schedule, a failed start or build, losses that the tool reports.
# CodeBuild reports SucceededBuilds only when a build succeeds, so hours without data count as hours without a backup. A period of
# one hour allows an evaluation range of up to seven days. The alarm is on from its creation until the first backup succeeds.
# https://docs.aws.amazon.com/codebuild/latest/userguide/monitoring-builds.html
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
resource "aws_cloudwatch_metric_alarm" "backup_missing" {
  count = local.has_backup ? 1 : 0

  alarm_name          = "${local.backup_name}-missing"
  alarm_description   = "No backup of ${local.name} succeeded within ${var.backup.alarm_after_hours} hours. See the builds of CodeBuild project ${aws_codebuild_project.backup[0].name}."
  namespace           = "AWS/CodeBuild"
  metric_name         = "SucceededBuilds"
  dimensions          = { ProjectName = aws_codebuild_project.backup[0].name }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = var.backup.alarm_after_hours
  datapoints_to_alarm = var.backup.alarm_after_hours
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  alarm_actions       = local.has_notifications ? [local.topic_arn] : []
  ok_actions          = local.has_notifications ? [local.topic_arn] : []
  tags                = var.tags
  treat_missing_data  = "breaching"
}
