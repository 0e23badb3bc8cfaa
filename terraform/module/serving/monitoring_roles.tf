# Two roles of monitoring: the processing job's, and EventBridge Scheduler's, which creates the job.
locals {
  monitoring_jobs_arn = "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:processing-job/${local.monitoring_name}-*"
  monitoring_role_arn = "arn:${local.partition}:iam::${local.account_id}:role${var.iam_path}${var.global_name_prefix}${local.monitoring_name}-role"
  monitoring_data_arn = "arn:${local.partition}:s3:::${local.artifact_path}/monitoring/*"

  # A run's artifacts are at EXPERIMENT/RUN/artifacts; the reports are below monitoring/ there.
  monitoring_reports_arn     = "arn:${local.partition}:s3:::${local.artifact_path}/*/artifacts/monitoring/*"
  monitoring_repository_name = local.has_monitoring ? split("@", split(":", join("/", slice(split("/", var.monitoring.image_uri), 1, length(split("/", var.monitoring.image_uri)))))[0])[0] : ""
}

resource "aws_iam_role" "monitoring" {
  count = local.has_monitoring ? 1 : 0

  name                  = "${var.global_name_prefix}${local.monitoring_name}-role"
  path                  = var.iam_path
  description           = "Monitors the endpoints of ${local.name}"
  assume_role_policy    = data.aws_iam_policy_document.monitoring_trust["sagemaker"].json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags
}

resource "aws_iam_role" "monitoring_schedule" {
  count = local.has_monitoring ? 1 : 0

  name                  = "${var.global_name_prefix}${local.monitoring_name}-schedule-role"
  path                  = var.iam_path
  description           = "Creates the monitoring jobs of ${local.name}"
  assume_role_policy    = data.aws_iam_policy_document.monitoring_trust["scheduler"].json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags

  lifecycle {
    precondition {
      condition     = length("${var.global_name_prefix}${local.monitoring_name}-schedule-role") <= 64
      error_message = "The role of monitoring's schedule would be named \"${var.global_name_prefix}${local.monitoring_name}-schedule-role\", and IAM allows 64 characters: shorten project_name, environment or global_name_prefix by ${max(0, length("${var.global_name_prefix}${local.monitoring_name}-schedule-role") - 64)}."
    }
  }
}

# https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
data "aws_iam_policy_document" "monitoring_trust" {
  for_each = local.has_monitoring ? {
    # AWS documents processing-job/* for processing jobs, and sends the literal value with * for other kinds: this matches both.
    sagemaker = "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:*"
    scheduler = "arn:${local.partition}:scheduler:${local.region}:${local.account_id}:schedule-group/default"
  } : {}

  statement {
    sid     = "ServiceForThisSource"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [each.value]
    }
  }
}

resource "aws_iam_role_policy" "monitoring" {
  count = local.has_monitoring ? 1 : 0

  name   = "MLflowMonitoring"
  role   = aws_iam_role.monitoring[0].id
  policy = data.aws_iam_policy_document.monitoring[0].json
}

data "aws_iam_policy_document" "monitoring" {
  count = local.has_monitoring ? 1 : 0

  statement {
    sid       = "AllowLogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "AllowPullImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:${local.partition}:ecr:${local.region}:${local.account_id}:repository/${local.monitoring_repository_name}"]
  }

  # AWS supports no resource for listing endpoints.
  statement {
    sid       = "AllowListEndpoints"
    actions   = ["sagemaker:ListEndpoints"]
    resources = ["*"]
  }

  statement {
    sid = "AllowDescribeEndpoints"
    actions = [
      "sagemaker:DescribeEndpoint",
      "sagemaker:DescribeEndpointConfig",
      "sagemaker:DescribeModel",
      "sagemaker:ListTags",
    ]
    resources = [
      for kind in ["endpoint", "endpoint-config", "model"] : "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:${kind}/${local.name}-*"
    ]
  }

  statement {
    sid = "AllowLogToRuns"
    actions = [
      "sagemaker-mlflow:GetRun",
      "sagemaker-mlflow:ListArtifacts",
      "sagemaker-mlflow:LogBatch",
      # MLflow 3 looks for a run's artifacts in the run's models, too.
      "sagemaker-mlflow:SearchLoggedModels",
      "sagemaker:DescribeMlflowTrackingServer",
    ]
    resources = [local.monitoring_server_arn]
  }

  statement {
    sid       = "AllowFindBucket"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.artifact_bucket_arn]
  }

  statement {
    sid       = "AllowListArtifacts"
    actions   = ["s3:ListBucket"]
    resources = [local.artifact_bucket_arn]

    dynamic "condition" {
      for_each = local.artifact_prefix == "" ? [] : ["${local.artifact_prefix}/*"]

      content {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = [condition.value]
      }
    }
  }

  # Captured requests, models, training rows, and the job's own data.
  statement {
    sid       = "AllowReadArtifacts"
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::${local.artifact_path}/*"]
  }

  # Of everything below backups/, only the job's code. An archive is named after its server, which may have a name of its own.
  statement {
    sid     = "DenyReadBackups"
    effect  = "Deny"
    actions = ["s3:GetObject"]
    resources = [
      for name in concat(["${local.name}-*"], [for name in compact([try(var.tracking_server.name, null)]) : "${name}/*" if !startswith(name, "${local.name}-")]) :
      "arn:${local.partition}:s3:::${local.artifact_path}/backups/${name}"
    ]
  }

  statement {
    sid       = "AllowWriteResults"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = [local.monitoring_data_arn, local.monitoring_reports_arn]
  }

  statement {
    sid       = "AllowPutMetrics"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = [local.monitoring_namespace]
    }
  }

  statement {
    sid       = "AllowWriteLogs"
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/sagemaker/ProcessingJobs*"]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "AllowUseArtifactKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.s3_via_service
      }
    }
  }
}

resource "aws_iam_role_policy" "monitoring_schedule" {
  count = local.has_monitoring ? 1 : 0

  name   = "CreateMonitoringJobs"
  role   = aws_iam_role.monitoring_schedule[0].id
  policy = data.aws_iam_policy_document.monitoring_schedule[0].json
}

data "aws_iam_policy_document" "monitoring_schedule" {
  count = local.has_monitoring ? 1 : 0

  statement {
    sid       = "AllowCreateJobs"
    actions   = ["sagemaker:AddTags", "sagemaker:CreateProcessingJob"]
    resources = [local.monitoring_jobs_arn]
  }

  statement {
    sid       = "AllowPassJobRole"
    actions   = ["iam:PassRole"]
    resources = [local.monitoring_role_arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["sagemaker.amazonaws.com"]
    }
  }

  statement {
    sid       = "AllowSendFailedStarts"
    actions   = ["sqs:SendMessage"]
    resources = [local.monitoring_failures_arn]
  }
}
