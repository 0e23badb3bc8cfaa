output "pipeline_role_arn" {
  description = "ARN of the role of the training pipeline and its jobs; null without `training_pipeline`."
  value       = one(aws_iam_role.pipeline[*].arn)

  # A pipeline needs the role's policies, so a user of this output waits for them.
  depends_on = [aws_iam_role_policy.pipeline, aws_iam_role_policy_attachment.tracking]
}

output "pipeline_runner_policy_arn" {
  description = "ARN of the policy that allows running the training pipeline, in addition to the writers' policies; null without `training_pipeline`."
  value       = one(aws_iam_policy.runner[*].arn)
}
