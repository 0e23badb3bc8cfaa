# Stops the servers at night and starts them in the morning: Amazon EventBridge Scheduler starts a state machine (start_stop.tf), so there is
# no Lambda function. Scheduler keeps a start that still fails after its retries in the queue, as the state machine keeps a failed call.
locals {
  has_schedule        = var.schedule != null && !local.is_serverless
  schedule_group_name = "${local.name}-mlflow"
  schedules = merge([
    for version in local.has_schedule ? local.versions : [] : {
      for verb in ["start", "stop"] : "${version}/${verb}" => {
        server     = local.server_names[version]
        verb       = verb
        expression = var.schedule[verb]
      }
    }
  ]...)
}

resource "aws_scheduler_schedule_group" "this" {
  count = local.has_schedule ? 1 : 0

  name = local.schedule_group_name
  tags = var.tags

  lifecycle {
    precondition {
      condition     = length(local.times_while_stopped.backup) == 0
      error_message = "The backup would run on ${local.first_while_stopped.backup} ${try(var.schedule.time_zone, "")}, when schedule has stopped the server. Change backup.schedule_expression to a time between schedule.start and schedule.stop."
    }

    precondition {
      condition     = length(local.times_while_stopped.maintenance) == 0
      error_message = "weekly_maintenance_window_start is ${coalesce(var.weekly_maintenance_window_start, "null")}, when schedule has stopped the server. Choose a time between schedule.start and schedule.stop, or null to let AWS choose."
    }
  }
}

resource "aws_scheduler_schedule" "this" {
  for_each = local.schedules

  name                         = "${each.value.server}-${each.value.verb}"
  group_name                   = aws_scheduler_schedule_group.this[0].name
  description                  = "${title(each.value.verb)}s MLflow tracking server ${each.value.server}"
  schedule_expression          = each.value.expression
  schedule_expression_timezone = var.schedule.time_zone

  flexible_time_window {
    mode = "OFF"
  }

  # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
  target {
    arn      = aws_sfn_state_machine.start_stop[0].arn
    role_arn = aws_iam_role.scheduler[0].arn
    input    = jsonencode({ Action = each.value.verb, TrackingServerName = each.value.server })

    retry_policy {
      maximum_event_age_in_seconds = 7200
      maximum_retry_attempts       = 20
    }

    dead_letter_config {
      arn = aws_sqs_queue.schedule_failures[0].arn
    }
  }

  depends_on = [aws_iam_role_policy.scheduler, aws_sagemaker_mlflow_tracking_server.this]
}

resource "aws_sqs_queue" "schedule_failures" {
  count = local.has_schedule ? 1 : 0

  name                      = "${local.name}-mlflow-schedule-failures"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_sqs_queue_policy" "schedule_failures" {
  count = local.has_schedule ? 1 : 0

  queue_url = aws_sqs_queue.schedule_failures[0].url
  policy    = data.aws_iam_policy_document.schedule_failures.json
}

# The scheduler's role allows sending.
data "aws_iam_policy_document" "schedule_failures" {
  statement {
    sid       = "DenyWithoutTLS"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [local.schedule_failures_arn]

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

locals {
  schedule_failures_arn = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${local.name}-mlflow-schedule-failures"
}

resource "aws_iam_role" "scheduler" {
  count = local.has_schedule ? 1 : 0

  name                  = "${local.global_name}-scheduler"
  path                  = var.iam_path
  description           = "Starts and stops the MLflow tracking servers of ${local.name}"
  assume_role_policy    = data.aws_iam_policy_document.scheduler_trust.json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags
}

data "aws_iam_policy_document" "scheduler_trust" {
  statement {
    sid     = "ThisScheduleGroup"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    # Scheduler sends the group's ARN, not the schedule's, so the role can be created before the schedules that use it.
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:scheduler:${local.region}:${local.account_id}:schedule-group/${local.schedule_group_name}"]
    }
  }
}

resource "aws_iam_role_policy" "scheduler" {
  count = local.has_schedule ? 1 : 0

  name   = "StartExecutions"
  role   = aws_iam_role.scheduler[0].id
  policy = data.aws_iam_policy_document.scheduler.json
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid       = "AllowStartExecution"
    actions   = ["states:StartExecution"]
    resources = [local.start_stop_arn]
  }

  statement {
    sid       = "AllowKeepFailedCalls"
    actions   = ["sqs:SendMessage"]
    resources = [local.schedule_failures_arn]
  }
}
