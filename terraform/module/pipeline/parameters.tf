# Publishes the role for clients without access to the Terraform state, below the same path as the mlflow module's parameters.
resource "aws_ssm_parameter" "output" {
  for_each = var.publish_parameters && local.has_pipeline ? { pipeline_role_arn = local.role_arn } : {}

  name        = "/${var.project_name}/${var.environment}/${each.key}"
  description = "Training pipeline of ${local.name}, written by Terraform"
  type        = "String"
  value       = each.value
  tags        = var.tags

  depends_on = [aws_iam_role.pipeline]
}
