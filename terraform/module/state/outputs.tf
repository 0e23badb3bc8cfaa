output "bucket_name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.states.bucket
}

output "bucket_arn" {
  description = "ARN of the bucket, for policies."
  value       = local.bucket_arn
}

output "backend_hcl" {
  description = "For each name in `state_keys`, what its root's `backend.hcl` must hold."
  value       = local.backend_hcl

  # Who reads it may use the bucket at once: by then it is encrypted, versioned and guarded.
  depends_on = [
    aws_s3_bucket_lifecycle_configuration.states,
    aws_s3_bucket_policy.states,
    aws_s3_bucket_server_side_encryption_configuration.states,
    aws_s3_bucket_versioning.states,
  ]
}
