# The backup's two roles: CodeBuild's, which runs the job, and EventBridge Scheduler's, which starts it.
locals {
  backup_destination_path   = local.has_backup ? trimprefix(local.backup_archive_uri, "s3://") : ""
  backup_destination_bucket = split("/", local.backup_destination_path)[0]
  backup_destination_arn    = "arn:${local.partition}:s3:::${local.backup_destination_bucket}"
  backup_destination_prefix = trimprefix(local.backup_destination_path, "${local.backup_destination_bucket}/")
  backup_archive_arn        = "arn:${local.partition}:s3:::${local.backup_destination_path}/*"
}

resource "aws_iam_role" "backup" {
  count = local.has_backup ? 1 : 0

  name                  = "${local.global_backup_name}-role"
  path                  = var.iam_path
  description           = "Backs up the MLflow server of ${local.name}"
  assume_role_policy    = data.aws_iam_policy_document.backup_trust["codebuild"].json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags

  lifecycle {
    precondition {
      condition     = length("${local.global_backup_name}-schedule-role") <= 64
      error_message = "The backup's role would be named \"${local.global_backup_name}-schedule-role\", which is ${length("${local.global_backup_name}-schedule-role")} characters long, and IAM allows 64. Shorten project_name or environment, or set backup = null."
    }

    precondition {
      condition     = local.backup_destination_uri == null || local.backup_destination_bucket != local.artifact_bucket_name
      error_message = "backup.destination_uri is in the artifact bucket, where losing the bucket loses the backups too. Remove it to use backups/ in the artifact store, or name another bucket."
    }
  }
}

# Each service names what it assumes the role for: CodeBuild the project, and Scheduler the group of the schedule.
# https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
data "aws_iam_policy_document" "backup_trust" {
  for_each = local.has_backup ? {
    codebuild = local.backup_project_arn
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
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [each.value]
    }
  }
}

resource "aws_iam_role_policy" "backup" {
  count = local.has_backup ? 1 : 0

  name   = "MLflowBackup"
  role   = aws_iam_role.backup[0].id
  policy = data.aws_iam_policy_document.backup[0].json
}

data "aws_iam_policy_document" "backup" {
  count = local.has_backup ? 1 : 0

  source_policy_documents = concat(
    [data.aws_iam_policy_document.read.json],
    data.aws_iam_policy_document.backup_network[*].json,
  )

  # The calls of the tool that is uploaded with this module.
  statement {
    sid = "AllowReadServer"
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

  # CodeBuild reads its source by version when a build names one.
  statement {
    sid       = "AllowReadTool"
    actions   = ["s3:GetObjectVersion"]
    resources = [local.backup_tool_arn]
  }

  # The job writes its own archive and nothing else: it cannot change what it backs up.
  statement {
    sid       = "AllowWriteArchive"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"]
    resources = [local.backup_archive_arn]
  }

  statement {
    sid       = "AllowWriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/codebuild/${local.backup_name}:*"]
  }

  dynamic "statement" {
    for_each = local.has_kms_key && local.backup_destination_uri == null ? [local.kms_key_arn] : []

    content {
      sid       = "AllowEncryptArchive"
      actions   = ["kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.s3_via_service
      }
    }
  }

  # With backup.destination_uri, what the job needs in that bucket beside writing. The bucket's owner must allow the same to this
  # role: see the output backup_destination_policy.
  dynamic "statement" {
    for_each = local.backup_destination_uri == null ? [] : [local.backup_destination_arn]

    content {
      sid       = "AllowFindDestination"
      actions   = ["s3:GetBucketLocation"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = local.backup_destination_uri == null ? [] : [local.backup_destination_arn]

    content {
      sid       = "AllowListArchive"
      actions   = ["s3:ListBucket"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = ["${local.backup_destination_prefix}/*"]
      }
    }
  }

  dynamic "statement" {
    for_each = local.backup_destination_uri == null ? [] : [local.backup_archive_arn]

    content {
      sid       = "AllowReadArchive"
      actions   = ["s3:GetObject"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.backup.destination_kms_key_arn == null ? [] : [var.backup.destination_kms_key_arn]

    content {
      sid       = "AllowUseDestinationKey"
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

# With backup.vpc, CodeBuild attaches a network interface in the given subnets. AWS supports no resource for most of these actions.
# https://docs.aws.amazon.com/codebuild/latest/userguide/auth-and-access-control-iam-identity-based-access-control.html#customer-managed-policies-example-create-vpc-network-interface
data "aws_iam_policy_document" "backup_network" {
  # Without `try`, which is unknown if an id in the network is.
  count = var.backup == null ? 0 : var.backup.vpc == null ? 0 : 1

  statement {
    sid = "AllowAttachNetworkInterface"
    actions = [
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeDhcpOptions",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcs",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "AllowGiveNetworkInterfaceToCodeBuild"
    actions   = ["ec2:CreateNetworkInterfacePermission"]
    resources = ["arn:${local.partition}:ec2:${local.region}:${local.account_id}:network-interface/*"]

    condition {
      test     = "StringEquals"
      variable = "ec2:AuthorizedService"
      values   = ["codebuild.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "ec2:Subnet"
      values   = [for id in var.backup.vpc.subnet_ids : "arn:${local.partition}:ec2:${local.region}:${local.account_id}:subnet/${id}"]
    }
  }
}

# For the owner of the destination bucket. It names the account with a condition on the role, because a bucket policy that names a role
# must be written after the role exists.
data "aws_iam_policy_document" "backup_destination" {
  count = local.has_backup ? 1 : 0

  dynamic "statement" {
    for_each = {
      AllowBackupObjects = { actions = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"], resource = local.backup_archive_arn }
      AllowBackupBucket  = { actions = ["s3:GetBucketLocation", "s3:ListBucket"], resource = local.backup_destination_arn }
    }

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = [statement.value.resource]

      principals {
        type        = "AWS"
        identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
      }

      condition {
        test     = "ArnEquals"
        variable = "aws:PrincipalArn"
        values   = ["arn:${local.partition}:iam::${local.account_id}:role${var.iam_path}${local.global_backup_name}-role"]
      }
    }
  }
}

resource "aws_iam_role" "backup_schedule" {
  count = local.has_backup ? 1 : 0

  name                  = "${local.global_backup_name}-schedule-role"
  path                  = var.iam_path
  description           = "Starts the backups of the MLflow server of ${local.name}"
  assume_role_policy    = data.aws_iam_policy_document.backup_trust["scheduler"].json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags
}

resource "aws_iam_role_policy" "backup_schedule" {
  count = local.has_backup ? 1 : 0

  name   = "StartBackup"
  role   = aws_iam_role.backup_schedule[0].id
  policy = data.aws_iam_policy_document.backup_schedule[0].json
}

data "aws_iam_policy_document" "backup_schedule" {
  count = local.has_backup ? 1 : 0

  statement {
    sid       = "AllowStartBackup"
    actions   = ["codebuild:StartBuild"]
    resources = [local.backup_project_arn]
  }

  statement {
    sid       = "AllowKeepFailedStarts"
    actions   = ["sqs:SendMessage"]
    resources = [local.backup_failures_arn]
  }
}
