# What an apply changes in the artifact bucket and the keys.
data "aws_iam_policy_document" "storage" {
  for_each = local.environments

  statement {
    sid = "AllowChangeBucket"
    actions = [
      "s3:CreateBucket",
      "s3:PutBucketAcl",
      "s3:PutBucketCORS",
      "s3:PutBucketLogging",
      "s3:PutBucketObjectLockConfiguration",
      "s3:PutBucketOwnershipControls",
      "s3:PutBucketPolicy",
      "s3:PutBucketPublicAccessBlock",
      "s3:PutBucketTagging",
      "s3:PutBucketVersioning",
      "s3:PutEncryptionConfiguration",
      "s3:PutLifecycleConfiguration",
      "s3:PutReplicationConfiguration",
    ]
    resources = each.value.bucket_arns
  }

  # The code of the nightly backup and of the monitoring jobs.
  statement {
    sid       = "AllowWriteTools"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject", "s3:PutObjectTagging"]
    resources = each.value.tool_arns
  }

  statement {
    sid       = "AllowListVersions"
    actions   = ["s3:ListBucketVersions"]
    resources = each.value.bucket_arns
  }

  statement {
    sid       = "AllowEncryptTools"
    actions   = ["kms:GenerateDataKey"]
    resources = local.key_arns

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = local.s3_via_service
    }

    dynamic "condition" {
      for_each = each.value.tags

      content {
        test     = "StringEquals"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  # Not kms:CreateKey: KMS refuses a key whose creator may not also change its policy, and a caller with that right can use the key.
  # https://repost.aws/knowledge-center/update-key-policy-future
  statement {
    sid = "AllowChangeKeys"
    actions = [
      "kms:CreateAlias",
      "kms:DeleteAlias",
      "kms:EnableKeyRotation",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:UpdateAlias",
      "kms:UpdateKeyDescription",
    ]
    resources = local.key_arns

    dynamic "condition" {
      for_each = each.value.tags

      content {
        test     = "StringEquals"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  # Changing an alias needs the right on the key and on the alias.
  statement {
    sid       = "AllowChangeAliases"
    actions   = ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"]
    resources = each.value.alias_arns
  }
}
