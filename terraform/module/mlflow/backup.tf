# A nightly backup of the active server, off unless asked for. Its archive lies in the artifact bucket, below backups/ and
# the server's name. Files of it are shared by many nights, so no lifecycle rule can know which ones are still needed: the
# tool itself deletes what only older backups than the newest `keep` need (docs/reference/archive-format.md).
locals {
  backup_name        = "${local.name}-mlflow-backup"
  backup_archive     = "backups/${local.server_names[var.mlflow_version]}"
  backup_archive_uri = "${local.artifact_store_uri}/${local.backup_archive}"
  backup_server_arn  = "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:mlflow-tracking-server/${local.server_names[var.mlflow_version]}"

  # CodeBuild takes a folder in S3 as its source: the tool as it lies in this repository, and what it needs.
  # https://docs.aws.amazon.com/codebuild/latest/APIReference/API_ProjectSource.html
  backup_source      = "${local.artifact_path}/backups/tool"
  backup_tool_arn    = "arn:${local.partition}:s3:::${local.backup_source}/*"
  backup_objects_arn = "arn:${local.partition}:s3:::${local.artifact_path}/backups/*"

  backup_project_arn = "arn:${local.partition}:codebuild:${local.region}:${local.account_id}:project/${local.backup_name}"
  backup_repository  = var.backup == null ? "" : coalesce(var.backup.repository, "${path.module}/../../..")
  backup_parts = [
    "src/mlflow_common/**/*.py",
    "src/mlflow_transfer/**/*.py",
  ]
  backup_files = var.backup == null ? {} : merge(
    { for file in flatten([for part in local.backup_parts : tolist(fileset(local.backup_repository, part))]) : file => "${local.backup_repository}/${file}" },
    { "requirements.lock" = "${path.module}/backup/requirements.lock" },
  )
}

resource "aws_s3_object" "backup_tool" {
  for_each = local.backup_files

  bucket      = local.artifact_bucket_name
  key         = trimprefix("${local.backup_source}/${each.key}", "${local.artifact_bucket_name}/")
  source      = each.value
  source_hash = filesha256(each.value)
  tags        = var.tags

  depends_on = [
    aws_s3_bucket.artifacts,
    aws_s3_bucket_server_side_encryption_configuration.artifacts,
    aws_s3_bucket_versioning.artifacts,
  ]
}

resource "aws_codebuild_project" "backup" {
  count = var.backup == null ? 0 : 1

  name         = local.backup_name
  description  = "Backs up the MLflow server of ${local.name}"
  service_role = aws_iam_role.backup[0].arn
  tags         = var.tags

  # The first backup copies everything; the others what is new.
  build_timeout          = 480
  concurrent_build_limit = 1

  source {
    type     = "S3"
    location = "${local.backup_source}/"
    buildspec = jsonencode({
      version = "0.2"
      phases = {
        install = {
          runtime-versions = { python = "3.12" }
          commands         = ["python -m pip install --quiet --require-hashes --requirement requirements.lock"]
        }
        build = {
          commands = ["PYTHONPATH=src python -m mlflow_transfer backup \"$TRACKING_SERVER_ARN\" \"$ARCHIVE\" --keep \"$KEEP\""]
        }
      }
    })
  }

  environment {
    type         = "LINUX_CONTAINER"
    compute_type = "BUILD_GENERAL1_SMALL"
    image        = "aws/codebuild/amazonlinux-x86_64-standard:5.0"

    environment_variable {
      name  = "TRACKING_SERVER_ARN"
      value = local.backup_server_arn
    }

    environment_variable {
      name  = "ARCHIVE"
      value = local.backup_archive_uri
    }

    environment_variable {
      name  = "KEEP"
      value = var.backup.keep
    }
  }

  artifacts {
    type = "NO_ARTIFACTS"
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.backup[0].name
    }
  }

  depends_on = [aws_iam_role_policy.backup, aws_s3_object.backup_tool]
}

resource "aws_cloudwatch_log_group" "backup" {
  count = var.backup == null ? 0 : 1

  name              = "/aws/codebuild/${local.backup_name}"
  retention_in_days = 90
  tags              = var.tags
}

resource "aws_iam_role" "backup" {
  count = var.backup == null ? 0 : 1

  name                 = "${local.backup_name}-role"
  description          = "Backs up the MLflow server of ${local.name}"
  assume_role_policy   = data.aws_iam_policy_document.backup_trust["codebuild"].json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  lifecycle {
    precondition {
      condition     = length("${local.backup_name}-schedule-role") <= 64
      error_message = "The backup's role would be named \"${local.backup_name}-schedule-role\", which is ${length("${local.backup_name}-schedule-role")} characters long, and IAM allows 64: shorten project_name or environment, or set backup = null."
    }

    precondition {
      condition     = contains(keys(local.backup_files), "src/mlflow_transfer/cli.py")
      error_message = "The backup needs src/mlflow_transfer of this repository, and the module does not lie in it: give backup.repository, the folder of a checkout."
    }
  }
}

# Each service says for what it takes a role up: CodeBuild for the project, and Scheduler for the group of the schedule, so
# that a role can be made before what uses it.
# https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
data "aws_iam_policy_document" "backup_trust" {
  for_each = var.backup == null ? {} : {
    codebuild = local.backup_project_arn
    scheduler = "arn:${local.partition}:scheduler:${local.region}:${local.account_id}:schedule-group/default"
  }

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
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [each.value]
    }
  }
}

resource "aws_iam_role_policy" "backup" {
  count = var.backup == null ? 0 : 1

  name   = "MLflowBackup"
  role   = aws_iam_role.backup[0].id
  policy = data.aws_iam_policy_document.backup[0].json
}

data "aws_iam_policy_document" "backup" {
  count = var.backup == null ? 0 : 1

  source_policy_documents = [data.aws_iam_policy_document.read.json]

  # What the tool asks of the server, which is uploaded with this module: another version of it may ask for something else.
  statement {
    sid = "ReadServer"
    actions = [
      "sagemaker-mlflow:GetMetricHistory",
      "sagemaker-mlflow:GetRun",
      "sagemaker-mlflow:SearchExperiments",
      "sagemaker-mlflow:SearchLoggedModels",
      "sagemaker-mlflow:SearchModelVersions",
      "sagemaker-mlflow:SearchRegisteredModels",
      "sagemaker-mlflow:SearchRuns",
      "sagemaker-mlflow:SearchTraces",
      "sagemaker:DescribeMlflowTrackingServer",
    ]
    resources = [local.backup_server_arn]
  }

  # CodeBuild gets its source by version, where a build says which.
  statement {
    sid       = "ReadTool"
    actions   = ["s3:GetObjectVersion"]
    resources = [local.backup_tool_arn]
  }

  # It writes its own archive, and nothing else: a backup that could change what it backs up would be none.
  statement {
    sid       = "WriteArchive"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${local.artifact_path}/${local.backup_archive}/*"]
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/codebuild/${local.backup_name}:*"]
  }

  dynamic "statement" {
    for_each = local.has_kms_key ? [local.kms_key_arn] : []

    content {
      sid       = "EncryptArchiveThroughS3"
      actions   = ["kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.s3_via_service
      }
    }
  }
}

# CodeBuild's StartBuild is one of the scheduler's templated targets: the project's ARN says it all.
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
resource "aws_scheduler_schedule" "backup" {
  count = var.backup == null ? 0 : 1

  name                         = local.backup_name
  description                  = "Backs up the MLflow server of ${local.name}"
  schedule_expression          = var.backup.schedule_expression
  schedule_expression_timezone = var.backup.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_codebuild_project.backup[0].arn
    role_arn = aws_iam_role.backup_schedule[0].arn
  }

  depends_on = [aws_iam_role_policy.backup_schedule]
}

resource "aws_iam_role" "backup_schedule" {
  count = var.backup == null ? 0 : 1

  name                 = "${local.backup_name}-schedule-role"
  description          = "Starts the backups of the MLflow server of ${local.name}"
  assume_role_policy   = data.aws_iam_policy_document.backup_trust["scheduler"].json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "backup_schedule" {
  count = var.backup == null ? 0 : 1

  name   = "StartBackup"
  role   = aws_iam_role.backup_schedule[0].id
  policy = data.aws_iam_policy_document.backup_schedule[0].json
}

data "aws_iam_policy_document" "backup_schedule" {
  count = var.backup == null ? 0 : 1

  statement {
    sid       = "StartBackup"
    actions   = ["codebuild:StartBuild"]
    resources = [local.backup_project_arn]
  }
}
