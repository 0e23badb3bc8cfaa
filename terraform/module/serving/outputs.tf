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

output "image_build_project_name" {
  description = "Name of the CodeBuild project that builds serving images; null without one."
  value       = local.has_image_build ? aws_codebuild_project.image[0].name : null
}

output "image_pusher_policy_arn" {
  description = "ARN of the policy that allows building and pushing serving images. Attach it to the roles of people or of CI."
  value       = aws_iam_policy.image_pusher.arn
}

output "image_pusher_role_arn" {
  description = "ARN of the role that `image_pusher_principal_arns` may assume to build and push serving images; null without any."
  value       = one(aws_iam_role.image_pusher[*].arn)
}

output "deployment_policy_document" {
  description = "Permissions to deploy models, as a JSON policy, for the mlflow module's input of the same name. Access to MLflow and its artifacts is not included."
  value       = data.aws_iam_policy_document.deployment.json
}
