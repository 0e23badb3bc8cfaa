# The bucket that artifacts live in. Clients read and write it themselves, so it defends itself: whoever comes,
# only over TLS, never in public, never under another owner.
resource "aws_s3_bucket" "artifacts" {
  count = var.create_s3_bucket ? 1 : 0

  bucket        = local.artifact_bucket_name
  force_destroy = var.dangerously_delete_artifacts_on_destroy
  tags          = var.tags

  # The name needs nothing from the account, but the rules stand there: see rules.tf.
  depends_on = [data.aws_caller_identity.current]
}

resource "aws_s3_bucket_versioning" "artifacts" {
  count = var.create_s3_bucket ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artifacts" {
  count = var.create_s3_bucket ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = local.has_kms_key ? "aws:kms" : "AES256"
      kms_master_key_id = local.kms_key_arn
    }

    # One data key for many objects: without it every object read is a KMS request, paid and rate-limited.
    bucket_key_enabled = local.has_kms_key
  }
}

resource "aws_s3_bucket_public_access_block" "artifacts" {
  count = var.create_s3_bucket ? 1 : 0

  bucket                  = aws_s3_bucket.artifacts[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "artifacts" {
  count = var.create_s3_bucket ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }

  # S3 refuses two changes to one bucket at once (OperationAborted), so these three settings follow each other.
  depends_on = [aws_s3_bucket_public_access_block.artifacts]
}

resource "aws_s3_bucket_logging" "artifacts" {
  count = var.create_s3_bucket && var.access_logs != null ? 1 : 0

  bucket        = aws_s3_bucket.artifacts[0].id
  target_bucket = var.access_logs.bucket
  target_prefix = coalesce(var.access_logs.prefix, "${local.artifact_bucket_name}/")
}

resource "aws_s3_bucket_cors_configuration" "artifacts" {
  count = var.create_s3_bucket && length(var.cors_allowed_origins) > 0 ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  # A browser shows artifacts; what writes them is no browser.
  cors_rule {
    allowed_methods = ["GET", "HEAD"]
    allowed_origins = var.cors_allowed_origins
    allowed_headers = ["*"]
    expose_headers  = ["ETag"]
    max_age_seconds = 3000
  }
}
