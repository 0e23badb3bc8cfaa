# The role that the tracking server itself works under. People and pipelines need rights of their own.
locals {
  new_role_name = "${local.name}-mlflow-role"

  # Known once the role is there and not before: the server must not be created under a role that does not exist.
  role_arn  = var.create_role ? one(aws_iam_role.server[*].arn) : var.role_arn
  role_name = var.create_role ? one(aws_iam_role.server[*].name) : element(split("/", coalesce(var.role_arn, "none")), -1)
}

resource "aws_iam_role" "server" {
  count = var.create_role ? 1 : 0

  name                 = local.new_role_name
  description          = "MLflow tracking server of ${local.name}"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "SageMakerOfThisAccount"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }

    # And no aws:SourceArn: AWS does not say which ARN it sends for a tracking server, and a condition on a key that is
    # not sent would keep the server from its own role.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

resource "aws_iam_role_policy" "basic_access" {
  count = var.create_role ? 1 : 0

  name   = "MLflowBasicAccess"
  role   = aws_iam_role.server[0].id
  policy = data.aws_iam_policy_document.basic_access.json
}

data "aws_iam_policy_document" "basic_access" {
  # AWS's example gives s3:Get*, s3:Put* and s3:List*, on the bucket even the right to rewrite its policy. This is what the
  # server's part of MLflow does with an artifact store: it finds the bucket, lists, reads and writes; a multipart upload
  # is s3:PutObject too. Should AWS turn out to need more, additional_role_policies takes it.
  # https://github.com/mlflow/mlflow/blob/v3.0.1/mlflow/store/artifact/s3_artifact_repo.py
  source_policy_documents = [data.aws_iam_policy_document.read.json]

  statement {
    sid       = "WriteArtifacts"
    actions   = ["s3:PutObject"]
    resources = [local.artifact_objects_arn]
  }

  # Whoever may create an experiment says where its artifacts go, and the server hands out links to upload there.
  statement {
    sid       = "LeaveBackups"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = [local.backup_objects_arn]
  }

  # Given whether registration is on or off: the provider cannot turn it off on a server that has it on.
  statement {
    sid = "RegisterModels"
    actions = [
      "sagemaker:AddTags",
      "sagemaker:CreateModelPackage",
      "sagemaker:CreateModelPackageGroup",
      "sagemaker:DescribeModelPackageGroup",
      "sagemaker:UpdateModelPackage",
    ]
    resources = [
      "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:model-package-group/*",
      "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:model-package/*",
    ]
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
        values   = ["s3.${local.region}.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role_policy_attachment" "additional" {
  for_each = var.create_role ? var.additional_role_policies : {}

  role       = aws_iam_role.server[0].name
  policy_arn = each.value
}
