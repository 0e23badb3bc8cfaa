resource "aws_s3_bucket_policy" "states" {
  bucket = aws_s3_bucket.states.id
  policy = data.aws_iam_policy_document.states.json

  lifecycle {
    precondition {
      condition     = local.caller_is_administrator
      error_message = "administrator_arns does not include ${data.aws_caller_identity.current.arn}, which runs Terraform now and could not change the bucket any more. Add its role or user."
    }
  }

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

  # These apply to administrators too. They do not apply to S3's lifecycle rules, which still delete old versions.
  dynamic "statement" {
    for_each = var.dangerously_allow_deletion ? [] : ["bucket"]

    content {
      sid       = "DenyBucketDeletion"
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
      sid       = "DenyVersionDeletion"
      effect    = "Deny"
      actions   = ["s3:DeleteObjectVersion"]
      resources = ["${local.bucket_arn}/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }

  # Terraform deletes its lock (*.tflock) after each run, and never a state.
  dynamic "statement" {
    for_each = var.dangerously_allow_deletion ? [] : ["states"]

    content {
      sid       = "DenyStateDeletion"
      effect    = "Deny"
      actions   = ["s3:DeleteObject"]
      resources = ["${local.bucket_arn}/*.tfstate"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }

  # Without a policy for the settings, every principal with s3:* could let states expire or remove the statements above.
  statement {
    sid    = "DenyChangesByOthers"
    effect = "Deny"
    actions = [
      "s3:PutBucketObjectLockConfiguration",
      "s3:PutBucketOwnershipControls",
      "s3:PutBucketPolicy",
      "s3:PutBucketPublicAccessBlock",
      "s3:PutBucketVersioning",
      "s3:PutEncryptionConfiguration",
      "s3:PutLifecycleConfiguration",
      "s3:PutReplicationConfiguration",
    ]
    resources = [local.bucket_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = local.administrator_arns
    }
  }

  # An upload without a key uses the bucket's key. A backend with `encrypt` and without `kms_key_id` asks for AES256.
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
