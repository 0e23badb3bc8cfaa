# The state machine that the schedule starts. It looks at the server first, because SageMaker refuses to stop a server that is stopped
# already, or to start one that runs, and EventBridge Scheduler would retry and report that as a failure. A failure is kept in the queue.
locals {
  start_stop_name = "${local.name}-mlflow-start-stop"
  start_stop_arn  = "arn:${local.partition}:states:${local.region}:${local.account_id}:stateMachine:${local.start_stop_name}"

  # SageMaker refuses both calls while a server is in maintenance or changes its state, so retry for two hours.
  start_stop_retry = [{ ErrorEquals = ["States.ALL"], IntervalSeconds = 60, BackoffRate = 1.5, MaxDelaySeconds = 600, MaxAttempts = 17 }]
}

# A Standard workflow keeps the history of each execution for 90 days, so it needs no log group.
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
resource "aws_sfn_state_machine" "start_stop" {
  count = local.has_schedule ? 1 : 0

  name     = local.start_stop_name
  role_arn = aws_iam_role.start_stop[0].arn
  definition = templatefile("${path.module}/start_stop.asl.json", {
    partition = local.partition
    queue_url = aws_sqs_queue.schedule_failures[0].url
    retry     = jsonencode(local.start_stop_retry)
  })
  tags = var.tags

  depends_on = [aws_iam_role_policy.start_stop]
}

resource "aws_iam_role" "start_stop" {
  count = local.has_schedule ? 1 : 0

  name                  = "${local.global_name}-start-stop"
  path                  = var.iam_path
  description           = "Starts and stops the MLflow tracking servers of ${local.name}"
  assume_role_policy    = data.aws_iam_policy_document.start_stop_trust.json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags
}

# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html#prevent-cross-service-confused-deputy
data "aws_iam_policy_document" "start_stop_trust" {
  statement {
    sid     = "ThisStateMachine"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [local.start_stop_arn]
    }
  }
}

resource "aws_iam_role_policy" "start_stop" {
  count = local.has_schedule ? 1 : 0

  name   = "StartAndStop"
  role   = aws_iam_role.start_stop[0].id
  policy = data.aws_iam_policy_document.start_stop.json
}

data "aws_iam_policy_document" "start_stop" {
  statement {
    sid = "AllowStartAndStopServers"
    actions = [
      "sagemaker:DescribeMlflowTrackingServer",
      "sagemaker:StartMlflowTrackingServer",
      "sagemaker:StopMlflowTrackingServer",
    ]
    resources = local.server_arns
  }

  statement {
    sid       = "AllowKeepFailures"
    actions   = ["sqs:SendMessage"]
    resources = [local.schedule_failures_arn]
  }
}
