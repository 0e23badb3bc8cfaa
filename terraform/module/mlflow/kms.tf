# The key of the artifact bucket. Its policy names the account and no roles, so the key and the roles do not depend on each
# other, and no change of a role can lock the account out. Administrators have no right to decrypt (but may grant it to themselves with
# kms:PutKeyPolicy); users may decrypt through S3 only, for this bucket only.
resource "aws_kms_key" "artifacts" {
  count = var.kms.create ? 1 : 0

  description             = "MLflow artifacts of ${local.name}"
  enable_key_rotation     = true
  deletion_window_in_days = var.kms.deletion_window_days
  policy                  = data.aws_iam_policy_document.key.json
  tags                    = var.tags

  lifecycle {
    precondition {
      condition     = local.caller_administers_key
      error_message = "kms.administrator_arns does not name the caller, ${local.caller_arn}, who could then not change the key's rotation or tags, nor add itself. Add its role or user, or set kms.skip_caller_check = true if this caller only plans."
    }
  }
}

resource "aws_kms_alias" "artifacts" {
  count = var.kms.create ? 1 : 0

  name          = "alias/${local.name}-mlflow-artifacts"
  target_key_id = aws_kms_key.artifacts[0].key_id
}

# IAM policies can name a key by its ARN only.
data "aws_kms_alias" "given" {
  count = var.kms.alias == null ? 0 : 1

  name = var.kms.alias
}

# The caller's role with its path, or its user. The provider asks IAM for the role (iam:GetRole).
data "aws_iam_session_context" "caller" {
  count = local.checks_caller ? 1 : 0

  arn = data.aws_caller_identity.current.arn
}

locals {
  given_key_id  = var.kms_key_id == null ? var.kms.key_id : var.kms_key_id
  has_kms_key   = var.kms.create || var.kms.alias != null || local.given_key_id != null
  given_key_arn = local.given_key_id == null ? one(data.aws_kms_alias.given[*].target_key_arn) : startswith(local.given_key_id, "arn:") ? local.given_key_id : "arn:${local.partition}:kms:${local.region}:${local.account_id}:key/${local.given_key_id}"
  kms_key_arn   = var.kms.create ? one(aws_kms_key.artifacts[*].arn) : local.given_key_arn

  readable_key_arns     = concat(local.has_kms_key ? [local.kms_key_arn] : [], var.kms.former_key_arns)
  allow_aws_managed_key = var.kms.allow_aws_managed_key

  # China's endpoints end in amazonaws.com.cn. AWS documents the value of kms:ViaService with amazonaws.com only, so there
  # both are allowed.
  # https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
  s3_via_service = distinct([for suffix in ["amazonaws.com", data.aws_partition.current.dns_suffix] : "s3.${local.region}.${suffix}"])

  account_root = "arn:${local.partition}:iam::${local.account_id}:root"

  # As KMS compares them: the whole ARN, with the account, the kind and the path, which the ARN of a role's session lacks.
  caller_arn             = coalesce(one(data.aws_iam_session_context.caller[*].issuer_arn), data.aws_caller_identity.current.arn)
  caller_administers_key = !local.checks_caller || local.caller_arn == local.account_root || contains(var.kms.administrator_arns, local.caller_arn)
  checks_caller          = var.kms.create && !var.kms.skip_caller_check && length(var.kms.administrator_arns) > 0

  # AWS's default key policy for administrators, without the actions that a key with KMS's own key material does not need.
  # https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
  administer_key = [
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListAliases",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
  ]

  # If administrators are named, the account keeps the actions that rescue a key whose administrators no longer exist, and those
  # that Terraform reads in every plan. IAM policies decide which principals of the account may use them.
  # https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html (Reduce the risk of the KMS key becoming unmanageable)
  rescue_key = [
    "kms:CancelKeyDeletion",
    "kms:DescribeKey",
    "kms:EnableKey",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListAliases",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
  ]
}

# The statement ids stay as they are: they are part of the key, and applying a new version of the module must not change
# the keys of existing environments.
data "aws_iam_policy_document" "key" {
  statement {
    sid       = "AccountKeepsKey"
    actions   = length(var.kms.administrator_arns) == 0 ? local.administer_key : local.rescue_key
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = [local.account_root]
    }
  }

  dynamic "statement" {
    for_each = length(var.kms.administrator_arns) == 0 ? [] : [var.kms.administrator_arns]

    content {
      sid       = "AdministerKey"
      actions   = local.administer_key
      resources = ["*"]

      principals {
        type        = "AWS"
        identifiers = statement.value
      }
    }
  }

  # The server, endpoints and clients, each as far as its own IAM policy allows. With a bucket key, S3 sends the bucket's ARN
  # as encryption context, and otherwise the object's.
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#encryption-context
  statement {
    sid       = "UseThroughS3ForThisBucket"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = [local.account_root]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = local.s3_via_service
    }

    condition {
      test     = "StringEquals"
      variable = "kms:CallerAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "StringLike"
      variable = "kms:EncryptionContext:aws:s3:arn"
      values   = [local.artifact_bucket_arn, "${local.artifact_bucket_arn}/*"]
    }
  }
}
