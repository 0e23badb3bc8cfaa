output "bucket_name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.states.bucket
}

output "bucket_arn" {
  description = "ARN of the bucket, for policies."
  value       = local.bucket_arn
}

output "backend_hcl" {
  description = "Content of each root's `backend.hcl`, by the names in `state_keys`."
  value       = local.backend_hcl

  # A user of this output needs the bucket to be encrypted, versioned and protected.
  depends_on = [
    aws_s3_bucket_lifecycle_configuration.states,
    aws_s3_bucket_policy.states,
    aws_s3_bucket_server_side_encryption_configuration.states,
    aws_s3_bucket_versioning.states,
  ]
}
