resource "aws_s3_bucket_policy" "states" {
  bucket = aws_s3_bucket.states.id
  policy = data.aws_iam_policy_document.states.json

  depends_on = [aws_s3_bucket_ownership_controls.states]
}

data "aws_iam_policy_document" "states" {
  statement {
    sid       = "DenyWithoutTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

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
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

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

  # Administrators included: a Deny wins over any role's Allow. S3's own lifecycle rules are not bound by it, so old
  # versions still go when their time has come.
  dynamic "statement" {
    for_each = var.dangerously_allow_deletion ? [] : ["bucket"]

    content {
      sid       = "DenyDeletingBucket"
      effect    = "Deny"
      actions   = ["s3:DeleteBucket", "s3:DeleteBucketPolicy"]
      resources = [local.bucket_arn]

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.dangerously_allow_deletion ? [] : ["versions"]

    content {
      sid       = "DenyDeletingVersions"
      effect    = "Deny"
      actions   = ["s3:DeleteObjectVersion"]
      resources = ["${local.bucket_arn}/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }

  # Locks (*.tflock) must go each time Terraform is done; states never do.
  dynamic "statement" {
    for_each = var.dangerously_allow_deletion ? [] : ["states"]

    content {
      sid       = "DenyDeletingStates"
      effect    = "Deny"
      actions   = ["s3:DeleteObject"]
      resources = ["${local.bucket_arn}/*.tfstate"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }

  # Uploads that say nothing get the bucket's key. A backend with `encrypt` but without `kms_key_id` asks for AES256.
  dynamic "statement" {
    for_each = var.kms_key_id == null ? [] : [var.kms_key_id]

    content {
      sid       = "DenyOtherKeys"
      effect    = "Deny"
      actions   = ["s3:PutObject"]
      resources = ["${local.bucket_arn}/*"]

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
    for_each = var.kms_key_id == null ? [] : [var.kms_key_id]

    content {
      sid       = "DenyOtherEncryption"
      effect    = "Deny"
      actions   = ["s3:PutObject"]
      resources = ["${local.bucket_arn}/*"]

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
}
