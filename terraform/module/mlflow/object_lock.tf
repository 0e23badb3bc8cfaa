# Retention that cannot be shortened before its time. The setting is a resource of its own, because `object_lock_enabled` of aws_s3_bucket
# would replace an existing bucket. S3 accepts it for any bucket with versioning, and never turns it off again:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-configure.html
resource "aws_s3_bucket_object_lock_configuration" "artifacts" {
  count = var.create_s3_bucket && var.object_lock != null ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  rule {
    default_retention {
      mode = var.object_lock.mode
      days = var.object_lock.days
    }
  }

  depends_on = [aws_s3_bucket_versioning.artifacts]
}
