# How long the bucket keeps objects. S3's rules select objects by prefix, tag and size, and count days from an object's creation;
# they cannot select by run. MLflow marks a deleted run in its database only, and the managed service has no `mlflow gc`, so
# the objects of deleted runs stay until they are tagged.
locals {
  deleted_tag = { key = "mlflow.deleted", value = "true" }
}

resource "aws_s3_bucket_lifecycle_configuration" "artifacts" {
  count = var.create_s3_bucket ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  rule {
    id     = "abort-incomplete-uploads"
    status = "Enabled"

    filter {}

    # The parts of an interrupted upload are stored and billed, but not listed as objects.
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  dynamic "rule" {
    for_each = var.noncurrent_version_expiration_days == null ? [] : [var.noncurrent_version_expiration_days]

    content {
      id     = "expire-old-versions"
      status = "Enabled"

      filter {}

      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }

      # A delete marker without older versions has no effect.
      expiration {
        expired_object_delete_marker = true
      }
    }
  }

  dynamic "rule" {
    for_each = var.artifact_transition == null ? [] : [var.artifact_transition]

    content {
      id     = "move-old-artifacts"
      status = "Enabled"

      filter {}

      transition {
        days          = rule.value.days
        storage_class = rule.value.storage_class
      }
    }
  }

  dynamic "rule" {
    for_each = var.deleted_artifact_expiration_days == null ? [] : [var.deleted_artifact_expiration_days]

    content {
      id     = "expire-deleted-artifacts"
      status = "Enabled"

      filter {
        tag {
          key   = local.deleted_tag.key
          value = local.deleted_tag.value
        }
      }

      expiration {
        days = rule.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.artifacts]
}
