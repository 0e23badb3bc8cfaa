# Requests that the bucket denies to all principals, including account administrators. It grants nothing; the roles' policies do.
resource "aws_s3_bucket_policy" "artifacts" {
  count = var.create_s3_bucket ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id
  policy = data.aws_iam_policy_document.artifacts.json

  depends_on = [aws_s3_bucket_ownership_controls.artifacts]
}

data "aws_iam_policy_document" "artifacts" {
  statement {
    sid       = "DenyWithoutTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.artifact_bucket_arn, "${local.artifact_bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  statement {
    sid       = "DenyOldTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.artifact_bucket_arn, "${local.artifact_bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "NumericLessThan"
      variable = "s3:TlsVersion"
      values   = ["1.2"]
    }
  }

  # Only the uploader can read an object that is encrypted under a key of the uploader's own (SSE-C).
  statement {
    sid       = "DenyCustomerProvidedKeys"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${local.artifact_bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Null"
      variable = "s3:x-amz-server-side-encryption-customer-algorithm"
      values   = ["false"]
    }
  }

  # Without a customer key, an upload may name no KMS key: others could not read the object. With one, it may name that key only. An
  # upload that names no key gets the bucket's default and passes: StringNotEquals alone would match a missing header, hence Null.
  # S3 compares the key's ARN, however the request names the key:
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
  statement {
    sid       = "DenyOtherKeys"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${local.artifact_bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Null"
      variable = "s3:x-amz-server-side-encryption-aws-kms-key-id"
      values   = ["false"]
    }

    dynamic "condition" {
      for_each = local.has_kms_key ? [local.kms_key_arn] : []

      content {
        test     = "StringNotEquals"
        variable = "s3:x-amz-server-side-encryption-aws-kms-key-id"
        values   = [condition.value]
      }
    }
  }

  dynamic "statement" {
    for_each = local.has_kms_key ? ["aws:kms"] : []

    content {
      sid       = "DenyOtherEncryption"
      effect    = "Deny"
      actions   = ["s3:PutObject"]
      resources = ["${local.artifact_bucket_arn}/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      condition {
        test     = "Null"
        variable = "s3:x-amz-server-side-encryption"
        values   = ["false"]
      }

      condition {
        test     = "StringNotEquals"
        variable = "s3:x-amz-server-side-encryption"
        values   = [statement.value]
      }
    }
  }

  # An upload that asks for aws:kms without naming a key is encrypted under the account's aws/s3 key, not under the bucket's:
  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
  dynamic "statement" {
    for_each = local.has_kms_key && !local.allow_aws_managed_key ? ["aws:kms"] : []

    content {
      sid       = "DenyAWSManagedKey"
      effect    = "Deny"
      actions   = ["s3:PutObject"]
      resources = ["${local.artifact_bucket_arn}/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      condition {
        test     = "Null"
        variable = "s3:x-amz-server-side-encryption-aws-kms-key-id"
        values   = ["true"]
      }

      condition {
        test     = "StringEquals"
        variable = "s3:x-amz-server-side-encryption"
        values   = [statement.value]
      }
    }
  }

  # A deleted backup stays recoverable until the lifecycle rule removes its version; bucket policies do not apply to lifecycle rules.
  # The tool in backups/tool is not covered, because Terraform deletes its versions. The switch below is the way to delete a version
  # intentionally.
  dynamic "statement" {
    for_each = var.dangerously_delete_artifacts_on_destroy ? [] : [local.backup_archives_arns]

    content {
      sid       = "DenyBackupVersionDeletion"
      effect    = "Deny"
      actions   = ["s3:DeleteObjectVersion", "s3:PutObjectTagging"]
      resources = statement.value

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }
}
