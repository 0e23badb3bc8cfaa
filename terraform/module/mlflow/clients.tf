# What people and pipelines may do with the server and its artifacts: three policies, each more than the one before.
# Artifacts do not pass through the server, so rights on it come with rights on the bucket, and on the bucket's key
# through S3. None of them can change what Terraform answers for: the server, the bucket's settings, the key.
locals {
  read_actions = ["sagemaker-mlflow:Get*", "sagemaker-mlflow:List*", "sagemaker-mlflow:Search*"]

  # The writes of MLflow that take nothing away from anybody. The whole list of actions:
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerwithmlflow.html
  write_actions = [
    "sagemaker-mlflow:CreateExperiment",
    "sagemaker-mlflow:CreateModelVersion",
    "sagemaker-mlflow:CreateRegisteredModel",
    "sagemaker-mlflow:CreateRun",
    "sagemaker-mlflow:EndTrace",
    "sagemaker-mlflow:FinalizeLoggedModel",
    "sagemaker-mlflow:LogBatch",
    "sagemaker-mlflow:LogInputs",
    "sagemaker-mlflow:LogLoggedModelParams",
    "sagemaker-mlflow:LogMetric",
    "sagemaker-mlflow:LogModel",
    "sagemaker-mlflow:LogOutputs",
    "sagemaker-mlflow:LogParam",
    "sagemaker-mlflow:SetExperimentTag",
    "sagemaker-mlflow:SetLoggedModelTags",
    "sagemaker-mlflow:SetModelVersionTag",
    "sagemaker-mlflow:SetRegisteredModelAlias",
    "sagemaker-mlflow:SetRegisteredModelTag",
    "sagemaker-mlflow:SetTag",
    "sagemaker-mlflow:SetTraceTag",
    "sagemaker-mlflow:StartTrace",
    "sagemaker-mlflow:TransitionModelVersionStage",
    "sagemaker-mlflow:UpdateExperiment",
    "sagemaker-mlflow:UpdateModelVersion",
    "sagemaker-mlflow:UpdateRegisteredModel",
    "sagemaker-mlflow:UpdateRun",
  ]

  client_policies = {
    reader = data.aws_iam_policy_document.reader.json
    writer = data.aws_iam_policy_document.writer.json
    admin  = data.aws_iam_policy_document.admin.json
  }
  client_policy_purposes = {
    reader = "Sees runs, models and artifacts"
    writer = "Logs runs, registers and deploys models; deletes none"
    admin  = "All of MLflow, deleting included; starts and stops the server"
  }
  client_roles = {
    reader = var.reader_role_names
    writer = var.writer_role_names
    admin  = var.admin_role_names
  }
  client_attachments = merge([
    for level, names in local.client_roles : { for name in names : "${level}/${name}" => { level = level, role = name } }
  ]...)
}

resource "aws_iam_policy" "client" {
  for_each = local.client_policies

  name        = "${local.name}-mlflow-${each.key}"
  description = "MLflow of ${local.name}: ${local.client_policy_purposes[each.key]}"
  policy      = each.value
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "client" {
  for_each = local.client_attachments

  role       = each.value.role
  policy_arn = aws_iam_policy.client[each.value.level].arn
}

# What every client needs: to find the server, and to read what lies in the bucket.
data "aws_iam_policy_document" "see" {
  source_policy_documents = [data.aws_iam_policy_document.read.json]

  statement {
    sid       = "SeeServer"
    actions   = ["sagemaker:DescribeMlflowTrackingServer"]
    resources = local.server_arns
  }

  # How scripts find the server without Terraform's state.
  dynamic "statement" {
    for_each = var.publish_parameters ? [local.parameter_path] : []

    content {
      sid       = "FindEnvironment"
      actions   = ["ssm:GetParametersByPath"]
      resources = ["arn:${local.partition}:ssm:${local.region}:${local.account_id}:parameter${statement.value}"]
    }
  }
}

data "aws_iam_policy_document" "ui" {
  statement {
    sid       = "LinkToUI"
    actions   = ["sagemaker:CreatePresignedMlflowTrackingServerUrl"]
    resources = local.server_arns
  }

  # AWS offers no resource to name here. Without a link to a server, it opens none.
  statement {
    sid       = "OpenUI"
    actions   = ["sagemaker-mlflow:AccessUI"]
    resources = ["*"]
  }
}

# What whoever writes needs beside the server itself.
data "aws_iam_policy_document" "write" {
  source_policy_documents = concat(
    [data.aws_iam_policy_document.see.json, data.aws_iam_policy_document.ui.json],
    var.deployment_policy_document == null ? [] : [var.deployment_policy_document],
  )

  statement {
    sid       = "WriteArtifacts"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = [local.artifact_objects_arn]
  }

  dynamic "statement" {
    for_each = local.has_kms_key ? [local.kms_key_arn] : []

    content {
      sid       = "EncryptArtifactsThroughS3"
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

data "aws_iam_policy_document" "reader" {
  source_policy_documents = concat(
    [data.aws_iam_policy_document.see.json],
    var.readers_may_open_ui ? [data.aws_iam_policy_document.ui.json] : [],
  )

  statement {
    sid       = "ReadMLflow"
    actions   = local.read_actions
    resources = local.server_arns
  }
}

data "aws_iam_policy_document" "writer" {
  source_policy_documents = [data.aws_iam_policy_document.write.json]

  statement {
    sid       = "ReadAndWriteMLflow"
    actions   = concat(local.read_actions, local.write_actions)
    resources = local.server_arns
  }

  # What lies there is run by the backup's job, or restored from when all else is lost: see backup.tf.
  statement {
    sid       = "LeaveBackups"
    effect    = "Deny"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = [local.backup_objects_arn]
  }
}

data "aws_iam_policy_document" "admin" {
  source_policy_documents = [data.aws_iam_policy_document.write.json]

  statement {
    sid       = "AdministerMLflow"
    actions   = ["sagemaker-mlflow:*"]
    resources = local.server_arns
  }

  # Neither created nor deleted: that is Terraform's, which knows what would be lost.
  statement {
    sid = "RunServer"
    actions = [
      "sagemaker:StartMlflowTrackingServer",
      "sagemaker:StopMlflowTrackingServer",
      "sagemaker:UpdateMlflowTrackingServer",
    ]
    resources = local.server_arns
  }

  statement {
    sid       = "FindOldArtifacts"
    actions   = ["s3:ListBucketVersions"]
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

  statement {
    sid = "DeleteAndRecoverArtifacts"
    actions = [
      "s3:DeleteObject",
      "s3:DeleteObjectVersion",
      "s3:GetObjectTagging",
      "s3:GetObjectVersion",
      "s3:PutObjectTagging",
    ]
    resources = [local.artifact_objects_arn]
  }

  # An admin may back up by hand, into the archive. What the job runs, with rights of its own, only Terraform puts there;
  # an older version of it, or a tag that lets it expire, would change it too.
  statement {
    sid       = "LeaveBackupTool"
    effect    = "Deny"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject", "s3:PutObjectTagging"]
    resources = [local.backup_tool_arn]
  }
}
