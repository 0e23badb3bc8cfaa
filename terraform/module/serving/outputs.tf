output "endpoint_execution_role_arn" {
  description = "ARN of the role that endpoints run under; whoever deploys needs iam:PassRole on it."
  value       = aws_iam_role.endpoint.arn

  # Only with its policy is the role of any use to an endpoint.
  depends_on = [aws_iam_role_policy.endpoint]
}

output "endpoint_execution_role_name" {
  description = "Name of that role, to attach more policies to it."
  value       = aws_iam_role.endpoint.name
}

output "serving_repository_url" {
  description = "Address of the image repository, without a tag."
  value       = aws_ecr_repository.serving.repository_url
}

output "deployment_policy_document" {
  description = "What deploying models takes beside MLflow and its artifacts, as a policy in JSON: for the mlflow module's input of that name."
  value       = data.aws_iam_policy_document.deployment.json
}
