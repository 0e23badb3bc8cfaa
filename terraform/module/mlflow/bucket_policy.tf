# What the bucket refuses whoever asks, administrators included. It grants nothing: roles' own policies do that.
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

  # An object under a key that only its uploader holds (SSE-C) is lost to everybody else, and a way to take artifacts
  # hostage.
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

  # An upload that names no key gets the bucket's, so it must pass: StringNotEquals, and StringNotEqualsIfExists too, hold
  # where the request lacks the header, hence the Null beside it. S3 compares the key's ARN, however the request names it:
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
  dynamic "statement" {
    for_each = local.has_kms_key ? [local.kms_key_arn] : []

    content {
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

      condition {
        test     = "StringNotEquals"
        variable = "s3:x-amz-server-side-encryption-aws-kms-key-id"
        values   = [statement.value]
      }
    }
  }

  dynamic "statement" {
    for_each = local.has_kms_key ? [local.kms_key_arn] : []

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
        values   = ["aws:kms"]
      }
    }
  }

  # Whoever asks for aws:kms without naming a key gets the account's aws/s3 key and not the bucket's:
  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
  dynamic "statement" {
    for_each = local.has_kms_key ? [local.kms_key_arn] : []

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
        values   = ["aws:kms"]
      }
    }
  }
}
