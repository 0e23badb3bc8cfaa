# The bucket of the pipeline's artifacts: copies of commits. It is a bucket of its own, because CodePipeline accepts no prefix and MLflow's
# writers could otherwise change code between the source and the build that runs it.
resource "aws_s3_bucket" "artifacts" {
  count = local.has_delivery ? 1 : 0

  bucket = local.bucket_name
  tags   = var.tags

  # Everything in it is copied from the repository.
  force_destroy = true

  lifecycle {
    precondition {
      condition     = length(local.bucket_name) <= 63
      error_message = "The bucket of the pipeline's artifacts would be named \"${local.bucket_name}\", which is ${length(local.bucket_name)} characters long, and S3 allows 63: shorten project_name or environment by ${max(0, length(local.bucket_name) - 63)}."
    }
  }
}

resource "aws_s3_bucket_versioning" "artifacts" {
  count = local.has_delivery ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artifacts" {
  count = local.has_delivery ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }

    bucket_key_enabled = var.kms_key_arn != null
  }
}

resource "aws_s3_bucket_public_access_block" "artifacts" {
  count = local.has_delivery ? 1 : 0

  bucket                  = aws_s3_bucket.artifacts[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "artifacts" {
  count = local.has_delivery ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }

  # S3 refuses concurrent changes to one bucket (OperationAborted), so these settings are applied one after another.
  depends_on = [aws_s3_bucket_public_access_block.artifacts]
}

resource "aws_s3_bucket_lifecycle_configuration" "artifacts" {
  count = local.has_delivery ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  # An execution can wait 7 days for its approval, and CodePipeline can retry a failed stage later.
  rule {
    id     = "old-commits"
    status = "Enabled"

    filter {}

    expiration {
      days = 30
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.artifacts]
}

resource "aws_s3_bucket_policy" "artifacts" {
  count = local.has_delivery ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id
  policy = data.aws_iam_policy_document.bucket.json

  depends_on = [aws_s3_bucket_ownership_controls.artifacts]
}

data "aws_iam_policy_document" "bucket" {
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

  # What is built and deployed is what the pipeline copied from the repository. Only its role writes here.
  statement {
    sid       = "DenyWritesByOthers"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotEquals"
      variable = "aws:PrincipalArn"
      values   = ["arn:${local.partition}:iam::${local.account_id}:role${var.iam_path}${local.role_prefix}-pipeline"]
    }
  }
}
