output "endpoint_execution_role_arn" {
  description = "ARN of the execution role of the endpoints. To deploy, a role needs iam:PassRole on it."
  value       = aws_iam_role.endpoint.arn

  # An endpoint needs the role's policy, so a user of this output waits for it.
  depends_on = [aws_iam_role_policy.endpoint]
}

output "endpoint_execution_role_name" {
  description = "Name of the execution role of the endpoints, to attach more policies to it."
  value       = aws_iam_role.endpoint.name
}

output "serving_repository_url" {
  description = "Address of the image repository, without a tag."
  value       = aws_ecr_repository.serving.repository_url
}

output "deployment_policy_document" {
  description = "Permissions to deploy models, as a JSON policy, for the mlflow module's input of the same name. Access to MLflow and its artifacts is not included."
  value       = data.aws_iam_policy_document.deployment.json
}
