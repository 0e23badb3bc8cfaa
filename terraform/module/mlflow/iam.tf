# The role that the tracking server itself works under. People and pipelines need rights of their own.
locals {
  role_name = "${local.name}-mlflow-role"
}

resource "aws_iam_role" "server" {
  name                 = local.role_name
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

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

resource "aws_iam_role_policy" "basic_access" {
  name   = "MLflowBasicAccess"
  role   = aws_iam_role.server.id
  policy = data.aws_iam_policy_document.basic_access.json
}

data "aws_iam_policy_document" "basic_access" {
  # AWS asks for s3:Get*, s3:Put* and s3:List*. Put* is given on the objects only: on the bucket it would let the
  # server rewrite the bucket's own policy, encryption and versioning.
  statement {
    sid       = "ReadArtifactBucket"
    actions   = ["s3:Get*", "s3:List*"]
    resources = [local.artifact_bucket_arn]
  }

  statement {
    sid       = "ReadAndWriteArtifacts"
    actions   = ["s3:Get*", "s3:List*", "s3:Put*"]
    resources = [local.artifact_objects_arn]
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
      sid       = "UseArtifactKeyThroughS3"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
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
  for_each = var.additional_role_policies

  role       = aws_iam_role.server.name
  policy_arn = each.value
}
