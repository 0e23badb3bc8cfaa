# Publishes outputs for clients without access to the Terraform state, below the same path as the mlflow module's parameters.
resource "aws_ssm_parameter" "output" {
  for_each = var.publish_parameters ? merge(
    {
      endpoint_execution_role_arn = aws_iam_role.endpoint.arn
      serving_repository_url      = aws_ecr_repository.serving.repository_url
    },
    local.has_image_build ? { image_build_project_name = aws_codebuild_project.image[0].name } : {},
  ) : {}

  name        = "/${var.project_name}/${var.environment}/${each.key}"
  description = "Serving of ${local.name}, written by Terraform"
  type        = "String"
  value       = each.value
  tags        = var.tags
}
