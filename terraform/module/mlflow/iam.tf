# The execution role of the tracking server. Clients need their own permissions: see the client policies.
locals {
  # An override contains the role's own path, as in "service-role/AmazonSageMaker-ExecutionRole". Without one, the path is "/".
  new_role_name = var.role_name_override == null ? "${local.global_name}-mlflow-role" : basename(var.role_name_override)
  new_role_path = var.role_name_override == null ? var.iam_path : (dirname(var.role_name_override) == "." ? "/" : "/${dirname(var.role_name_override)}/")

  # Known only after the role exists, so that the server is not created before its role.
  role_arn  = var.create_role ? one(aws_iam_role.server[*].arn) : var.role_arn
  role_name = var.create_role ? one(aws_iam_role.server[*].name) : element(split("/", coalesce(var.role_arn, "none")), -1)
}

resource "aws_iam_role" "server" {
  count = var.create_role ? 1 : 0

  name                  = local.new_role_name
  path                  = local.new_role_path
  description           = "MLflow tracking server of ${local.name}"
  assume_role_policy    = data.aws_iam_policy_document.trust.json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags
}

# AWS documents the trust policy of a tracking server's role without a condition, and lists the features of SageMaker that send
# aws:SourceAccount without MLflow among them. If the key is not sent, the condition prevents the server from assuming its role.
# https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html
# https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "SageMakerOfThisAccount"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }

    dynamic "condition" {
      for_each = var.harden_server_role ? [local.account_id] : []

      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [condition.value]
      }
    }
  }
}

resource "aws_iam_role_policy" "basic_access" {
  count = var.create_role ? 1 : 0

  name   = "MLflowBasicAccess"
  role   = aws_iam_role.server[0].id
  policy = data.aws_iam_policy_document.basic_access.json

  lifecycle {
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    precondition {
      condition     = length(data.aws_iam_policy_document.basic_access.minified_json) <= 10240
      error_message = "The policy of the server's role would have ${length(data.aws_iam_policy_document.basic_access.minified_json)} characters, and IAM allows 10,240. Shorten former_artifact_store_uris or kms.former_key_arns."
    }
  }
}

data "aws_iam_policy_document" "basic_access" {
  source_policy_documents = [
    data.aws_iam_policy_document.read.json,
    var.harden_server_role ? data.aws_iam_policy_document.hardened_access.json : data.aws_iam_policy_document.documented_access.json,
  ]

  # A client that creates an experiment chooses its artifact location, and the server issues upload links for that location.
  statement {
    sid       = "DenyBackupWrites"
    effect    = "Deny"
    actions   = var.harden_server_role ? ["s3:PutObject"] : ["s3:Put*"]
    resources = [local.backup_objects_arn]
  }

  # Needed whether registration is on or off, because the provider cannot turn it off on a server that has it on.
  statement {
    sid = "AllowRegisterModels"
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
      sid       = "AllowEncryptArtifacts"
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

# The S3 rights that AWS documents for the role, on the artifact bucket only, without the settings of the bucket.
# https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html
data "aws_iam_policy_document" "documented_access" {
  statement {
    sid       = "AllowArtifactAccess"
    actions   = ["s3:Get*", "s3:List*", "s3:Put*"]
    resources = [local.artifact_bucket_arn, local.artifact_objects_arn]
  }

  statement {
    sid       = "DenyBucketSettings"
    effect    = "Deny"
    actions   = ["s3:Put*Configuration", "s3:PutBucket*"]
    resources = [local.artifact_bucket_arn]
  }
}

# What MLflow's code does with an artifact store, in addition to reading. A multipart upload is s3:PutObject too.
# https://github.com/mlflow/mlflow/blob/v3.0.1/mlflow/store/artifact/s3_artifact_repo.py
data "aws_iam_policy_document" "hardened_access" {
  statement {
    sid       = "AllowWriteArtifacts"
    actions   = ["s3:PutObject"]
    resources = [local.artifact_objects_arn]
  }
}

resource "aws_iam_role_policy_attachment" "additional" {
  for_each = var.create_role ? var.additional_role_policies : {}

  role       = aws_iam_role.server[0].name
  policy_arn = each.value
}

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
check "policies_of_the_servers_role" {
  assert {
    condition     = length(var.additional_role_policies) <= 10
    error_message = "additional_role_policies names ${length(var.additional_role_policies)} policies, and IAM's default quota is 10 on a role. Combine some of them, or raise the quota \"Managed policies attached to an IAM role\" of the account (up to 25)."
  }
}

# Without these two, Terraform does not notice a policy that was added to the role outside it.
resource "aws_iam_role_policies_exclusive" "server" {
  count = var.create_role && var.exclusive_role_policies ? 1 : 0

  role_name    = aws_iam_role.server[0].name
  policy_names = [aws_iam_role_policy.basic_access[0].name]
}

resource "aws_iam_role_policy_attachments_exclusive" "server" {
  count = var.create_role && var.exclusive_role_policies ? 1 : 0

  role_name   = aws_iam_role.server[0].name
  policy_arns = [for attachment in aws_iam_role_policy_attachment.additional : attachment.policy_arn]
}
