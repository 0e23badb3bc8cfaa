# What the roles may do, in addition to the attached policies.
data "aws_iam_policy_document" "pipeline" {
  count = local.has_delivery ? 1 : 0

  # https://docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html
  statement {
    sid       = "AllowWriteCommits"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket_arn}/*"]
  }

  statement {
    sid       = "AllowFindBucket"
    actions   = ["s3:GetBucketLocation", "s3:GetBucketVersioning"]
    resources = [local.bucket_arn]
  }

  statement {
    sid       = "AllowRunBuilds"
    actions   = ["codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"]
    resources = [local.project_arns["train"], local.project_arns["deploy"]]
  }

  # https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeCommit.html
  dynamic "statement" {
    for_each = local.codecommit_arn == null ? [] : [local.codecommit_arn]

    content {
      sid = "AllowReadRepository"
      actions = [
        "codecommit:CancelUploadArchive",
        "codecommit:GetBranch",
        "codecommit:GetCommit",
        "codecommit:GetRepository",
        "codecommit:GetUploadArchiveStatus",
        "codecommit:UploadArchive",
      ]
      resources = [statement.value]
    }
  }

  # https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodestarConnectionSource.html
  dynamic "statement" {
    for_each = local.connection_arn == null ? [] : [local.connection_arn]

    content {
      sid       = "AllowUseConnection"
      actions   = [for service in local.connection_services : "${service}:UseConnection"]
      resources = [statement.value]

      condition {
        test     = "StringEqualsIfExists"
        variable = "${split(":", statement.value)[2]}:FullRepositoryId"
        values   = [local.github]
      }
    }
  }

  dynamic "statement" {
    for_each = local.has_topic ? [var.notification_topic_arn] : []

    content {
      sid       = "AllowRequestApproval"
      actions   = ["sns:Publish"]
      resources = [statement.value]
    }
  }

  # The topic's key has a random id, so the policy names it by the alias that the mlflow module gives it.
  dynamic "statement" {
    for_each = local.has_topic ? ["alias/${local.name}-mlflow-events"] : []

    content {
      sid       = "AllowUseTopicKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = ["arn:${local.partition}:kms:${local.region}:${local.account_id}:key/*"]

      condition {
        test     = "ForAnyValue:StringEquals"
        variable = "kms:ResourceAliases"
        values   = [statement.value]
      }

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.via_service["sns"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "AllowEncryptCommits"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.via_service["s3"]
      }
    }
  }
}

locals {
  # A connection has the prefix of its ARN in policies. https://docs.aws.amazon.com/dtconsole/latest/userguide/rename.html
  connection_services = local.connection_arn == null ? [] : [split(":", local.connection_arn)[2]]
}

# A build runs the code of the repository. It can read the commit and write its log, and what the attached policies allow.
data "aws_iam_policy_document" "build" {
  for_each = local.builds

  statement {
    sid       = "AllowReadCommit"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arn}/*"]
  }

  statement {
    sid       = "AllowWriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [for kind in each.value : local.log_arns[kind]]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "AllowDecryptCommit"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.via_service["s3"]
      }
    }
  }

  # The build for an approved package reads the repository without the pipeline.
  dynamic "statement" {
    for_each = each.key == "deploy" && local.codecommit_arn != null ? [local.codecommit_arn] : []

    content {
      sid       = "AllowReadRepository"
      actions   = ["codecommit:GitPull"]
      resources = [statement.value]
    }
  }

  # https://docs.aws.amazon.com/codebuild/latest/userguide/connections-github-app.html
  dynamic "statement" {
    for_each = each.key == "deploy" && local.connection_arn != null ? [local.connection_arn] : []

    content {
      sid       = "AllowUseConnection"
      actions   = flatten([for service in local.connection_services : ["${service}:GetConnection", "${service}:GetConnectionToken", "${service}:UseConnection"]])
      resources = [statement.value]
    }
  }
}

data "aws_iam_policy_document" "events" {
  count = local.has_delivery ? 1 : 0

  statement {
    sid       = "AllowDeployApprovedPackages"
    actions   = ["codebuild:StartBuild"]
    resources = [local.project_arns["approved"]]
  }

  statement {
    sid       = "AllowStartPipeline"
    actions   = ["codepipeline:StartPipelineExecution"]
    resources = [local.pipeline_arn]
  }
}
