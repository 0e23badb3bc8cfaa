# A key of the bucket's own. Its policy names the account and not its roles: so the key does not wait for the roles,
# nor they for the key, and no change of a role can lock the account out. Administering it and using it are apart:
# whoever administers has no right to decrypt, though the right to give himself one (kms:PutKeyPolicy), and whoever may
# use it can do so through S3 alone, for this bucket alone.
resource "aws_kms_key" "artifacts" {
  count = var.create_kms_key ? 1 : 0

  description             = "MLflow artifacts of ${local.name}"
  enable_key_rotation     = true
  deletion_window_in_days = var.kms_key_deletion_window_days
  policy                  = data.aws_iam_policy_document.key.json
  tags                    = var.tags
}

resource "aws_kms_alias" "artifacts" {
  count = var.create_kms_key ? 1 : 0

  name          = "alias/${local.name}-mlflow-artifacts"
  target_key_id = aws_kms_key.artifacts[0].key_id
}

# Policies can name a key by its ARN only.
data "aws_kms_alias" "given" {
  count = var.kms_key_alias == null ? 0 : 1

  name = var.kms_key_alias
}

locals {
  # Whether there is a key is known at plan time; which one may not be.
  has_kms_key   = var.create_kms_key || var.kms_key_id != null || var.kms_key_alias != null
  given_key_arn = var.kms_key_id == null ? one(data.aws_kms_alias.given[*].target_key_arn) : startswith(var.kms_key_id, "arn:") ? var.kms_key_id : "arn:${local.partition}:kms:${local.region}:${local.account_id}:key/${var.kms_key_id}"
  kms_key_arn   = var.create_kms_key ? one(aws_kms_key.artifacts[*].arn) : local.given_key_arn

  readable_key_arns = concat(local.has_kms_key ? [local.kms_key_arn] : [], var.former_kms_key_arns)

  account_root = "arn:${local.partition}:iam::${local.account_id}:root"

  # What AWS's own default key policy lets administrators do, without the parts that a rotating key of KMS's own
  # making has no use for: https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
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
  rescue_key = [
    "kms:CancelKeyDeletion",
    "kms:DescribeKey",
    "kms:EnableKey",
    "kms:GetKeyPolicy",
    "kms:PutKeyPolicy",
  ]
}

data "aws_iam_policy_document" "key" {
  # A key whose administrators are all gone can be saved by nobody, not even by AWS's support in reasonable time: so
  # the account keeps a hand on it, through the IAM policies of its people. See "Reduce the risk of the KMS key
  # becoming unmanageable" in https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
  statement {
    sid       = "AccountKeepsKey"
    actions   = length(var.kms_key_administrator_arns) == 0 ? local.administer_key : local.rescue_key
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = [local.account_root]
    }
  }

  dynamic "statement" {
    for_each = length(var.kms_key_administrator_arns) == 0 ? [] : [var.kms_key_administrator_arns]

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

  # The server, the endpoints and the clients, each as far as its own IAM policy says. S3 tells KMS the bucket's ARN as
  # the encryption context where a bucket key is used, and the object's where it is not:
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
      values   = ["s3.${local.region}.amazonaws.com"]
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
