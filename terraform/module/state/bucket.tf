# The states of every environment. Losing one means finding every resource again by hand, and whoever reads one reads
# all that Terraform knows of the environment: so nothing in it can be deleted for good, and nothing is public.
resource "aws_s3_bucket" "states" {
  bucket = var.bucket_name
  tags   = var.tags

  # Even with its policy lifted, Terraform never deletes it: the README says how to retire it by hand.
  lifecycle {
    prevent_destroy = true
  }
}

# A state that was overwritten wrongly is an earlier version away.
resource "aws_s3_bucket_versioning" "states" {
  bucket = aws_s3_bucket.states.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "states" {
  bucket = aws_s3_bucket.states.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_id == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_id
    }

    bucket_key_enabled = var.kms_key_id != null
  }
}

resource "aws_s3_bucket_public_access_block" "states" {
  bucket                  = aws_s3_bucket.states.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "states" {
  bucket = aws_s3_bucket.states.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }

  # S3 refuses two changes to one bucket at once (OperationAborted), so these settings follow each other.
  depends_on = [aws_s3_bucket_public_access_block.states]
}

resource "aws_s3_bucket_lifecycle_configuration" "states" {
  bucket = aws_s3_bucket.states.id

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.old_versions_kept_days
    }

    # Every lock that is given back leaves a delete marker behind.
    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.states]
}
