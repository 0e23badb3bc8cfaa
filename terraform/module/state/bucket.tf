# The states of every environment. A lost state means importing every resource by hand, and a state shows all that Terraform knows of
# the environment. So no version in the bucket can be deleted permanently, and nothing is public.
resource "aws_s3_bucket" "states" {
  bucket = var.bucket_name
  tags   = var.tags

  # Terraform never deletes the bucket, even without its policy. The README says how to retire it by hand.
  lifecycle {
    prevent_destroy = true
  }
}

# An overwritten state can be recovered from an earlier version.
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

  # S3 refuses concurrent changes to one bucket (OperationAborted), so these settings are applied one after another.
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

    # Every released lock leaves a delete marker.
    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.states]
}

data "aws_default_tags" "current" {
  lifecycle {
    postcondition {
      condition     = length(setunion(keys(var.tags), keys(self.tags))) <= 50
      error_message = "tags and the provider's default_tags have ${length(setunion(keys(var.tags), keys(self.tags)))} keys together, and AWS allows 50 tags on a resource. Remove some."
    }
  }
}
