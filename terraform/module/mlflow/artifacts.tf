# The artifact bucket. Clients read and write it directly, so it enforces TLS, no public access and one owner for all callers.
resource "aws_s3_bucket" "artifacts" {
  count = var.create_s3_bucket ? 1 : 0

  bucket        = local.artifact_bucket_name
  force_destroy = var.dangerously_delete_artifacts_on_destroy
  tags          = var.tags

  # Waits for the rules in preconditions.tf.
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

    # One data key for many objects. Without it, every read of an object is a KMS request, which is billed and rate-limited.
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

  # S3 refuses concurrent changes of one bucket (OperationAborted), so these three settings are applied one after another.
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

  # Browsers only show artifacts.
  cors_rule {
    allowed_methods = ["GET", "HEAD"]
    allowed_origins = var.cors_allowed_origins
    allowed_headers = ["*"]
    expose_headers  = ["ETag"]
    max_age_seconds = 3000
  }
}
