# A topic for messages about servers, backups and cost, the event rules that publish to it, and the alarms of the start and stop schedule.
locals {
  has_notifications = var.notifications != null
  has_server_events = local.has_notifications && !local.is_serverless # AWS documents no events of Apps.
  create_topic      = local.has_notifications && !contains(try(keys(var.notifications), []), "topic_arn")
  emails            = try(toset(var.notifications.emails), toset([]))
  topic_name        = "${local.name}-mlflow-events"
  new_topic_arn     = "arn:${local.partition}:sns:${local.region}:${local.account_id}:${local.topic_name}"
  topic_arn         = local.create_topic ? one(aws_sns_topic.events[*].arn) : try(var.notifications.topic_arn, null)
}

# AWS documents these events in one place and without all of their fields, so they are for information and nothing depends on them.
# They name no environment: the rule matches every tracking server of the account and region.
resource "aws_cloudwatch_event_rule" "server" {
  count = local.has_server_events ? 1 : 0

  name        = "${local.name}-mlflow-server"
  description = "State changes and failures of MLflow tracking servers"
  event_pattern = jsonencode({
    source        = ["aws.sagemaker"]
    "detail-type" = [{ prefix = "SageMaker Tracking Server" }]
  })
  tags = var.tags
}

resource "aws_cloudwatch_event_target" "server" {
  count = local.has_server_events ? 1 : 0

  rule = aws_cloudwatch_event_rule.server[0].name
  # With a generated id, an apply after an interrupted one would create a second target, and each message would arrive twice.
  target_id = "notifications"
  arn       = local.topic_arn
}

# https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications.html
resource "aws_cloudwatch_event_rule" "backup_failed" {
  count = local.has_notifications && local.has_backup ? 1 : 0

  name        = "${local.backup_name}-failed"
  description = "Backups of ${local.name} that did not succeed"
  event_pattern = jsonencode({
    source        = ["aws.codebuild"]
    "detail-type" = ["CodeBuild Build State Change"]
    detail = {
      "build-status" = ["FAILED", "FAULT", "STOPPED", "TIMED_OUT"]
      "project-name" = [aws_codebuild_project.backup[0].name]
    }
  })
  tags = var.tags
}

resource "aws_cloudwatch_event_target" "backup_failed" {
  count = local.has_notifications && local.has_backup ? 1 : 0

  rule      = aws_cloudwatch_event_rule.backup_failed[0].name
  target_id = "notifications"
  arn       = local.topic_arn
}

resource "aws_cloudwatch_metric_alarm" "schedule_failed" {
  count = local.has_schedule ? 1 : 0

  alarm_name          = "${local.name}-mlflow-schedule-failed"
  alarm_description   = "A tracking server of ${local.name} was not started or stopped on time. The messages in queue ${aws_sqs_queue.schedule_failures[0].name} say which and why. The alarm ends when the queue is empty."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.schedule_failures[0].name }
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

# Scheduler sends failed calls to the queue with the schedule's role. If the role or the queue is broken, the queue stays empty and the
# alarm above stays silent, but Scheduler counts the messages that it could not deliver.
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html#monitoring-cloudwatch-metrics-list-dlq
resource "aws_cloudwatch_metric_alarm" "schedule_dlq_undeliverable" {
  count = local.has_schedule ? 1 : 0

  alarm_name          = "${local.name}-mlflow-schedule-dlq-undeliverable"
  alarm_description   = "A tracking server of ${local.name} was not started or stopped on time, and Scheduler could not send the reason to queue ${aws_sqs_queue.schedule_failures[0].name}. Check that queue and the role ${aws_iam_role.scheduler[0].name}."
  namespace           = "AWS/Scheduler"
  metric_name         = "InvocationsFailedToBeSentToDeadLetterCount"
  dimensions          = { ScheduleGroup = local.schedule_group_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  alarm_actions       = local.has_notifications ? [local.topic_arn] : []
  tags                = var.tags

  # Scheduler reports nothing while it loses nothing, so the end of the alarm proves nothing: there is no OK notification.
  treat_missing_data = "notBreaching"
}

# If the state machine's role or the queue is broken, a failed execution leaves no message, but Step Functions counts it.
# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
resource "aws_cloudwatch_metric_alarm" "start_stop_failed" {
  count = local.has_schedule ? 1 : 0

  alarm_name          = "${local.name}-mlflow-start-stop-failed"
  alarm_description   = "An execution of the state machine ${local.start_stop_name} failed: a tracking server of ${local.name} was not started or stopped on time. Queue ${aws_sqs_queue.schedule_failures[0].name} has the reason; if it is empty, the execution's history has it."
  namespace           = "AWS/States"
  metric_name         = "ExecutionsFailed"
  dimensions          = { StateMachineArn = local.start_stop_arn }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  alarm_actions       = local.has_notifications ? [local.topic_arn] : []
  tags                = var.tags

  # Step Functions reports nothing while no execution fails, so the end of the alarm proves nothing: there is no OK notification.
  treat_missing_data = "notBreaching"
}

resource "aws_sns_topic" "events" {
  count = local.create_topic ? 1 : 0

  name              = local.topic_name
  kms_master_key_id = aws_kms_key.events[0].arn
  tags              = var.tags
}

resource "aws_sns_topic_subscription" "email" {
  for_each = local.emails

  topic_arn = local.topic_arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_sns_topic_policy" "events" {
  count = local.create_topic ? 1 : 0

  arn    = aws_sns_topic.events[0].arn
  policy = data.aws_iam_policy_document.topic.json
}

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "AllowPublishFromThisAccount"
    actions   = ["sns:Publish"]
    resources = [local.new_topic_arn]

    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }

  # "You can't use Condition blocks in Amazon SNS topic policies for EventBridge": it names no source, so its events would not arrive.
  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions
  statement {
    sid       = "AllowPublishEvents"
    actions   = ["sns:Publish"]
    resources = [local.new_topic_arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }

  statement {
    sid       = "DenyWithoutTLS"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [local.new_topic_arn]

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

# Services can publish to an encrypted topic only if the key's policy names them. The policy of the AWS managed key for SNS does not.
resource "aws_kms_key" "events" {
  count = local.create_topic ? 1 : 0

  description             = "Notifications about MLflow of ${local.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.events_key.json
  tags                    = var.tags
}

resource "aws_kms_alias" "events" {
  count = local.create_topic ? 1 : 0

  name          = "alias/${local.topic_name}"
  target_key_id = aws_kms_key.events[0].key_id
}

# The statement ids are part of the key, so they stay as earlier releases wrote them.
data "aws_iam_policy_document" "events_key" {
  statement {
    sid       = "AccountDecidesByIAMPolicy"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }

  statement {
    sid       = "ThisAccountsAlarmsAndBudgets"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }

  # No condition on the source, as in the topic's policy: EventBridge names none.
  # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
  statement {
    sid       = "Events"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
}
