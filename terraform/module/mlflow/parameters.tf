# Publishes outputs for clients without access to the Terraform state: scripts, notebooks, pipelines of other teams.
locals {
  parameters = var.publish_parameters ? merge(
    {
      project_name         = var.project_name
      environment          = var.environment
      aws_account_id       = local.account_id
      aws_region           = local.region
      mlflow_tracking_uri  = local.active_server.arn
      tracking_server_name = local.active_server.name
      mlflow_version       = local.active_server.mlflow_version
      artifact_store_uri   = local.artifact_store_uri
      artifact_bucket_name = local.artifact_bucket_name
      mlflow_role_arn      = local.role_arn
    },
    var.kms.create ? { kms_key_arn = local.kms_key_arn } : {},
    var.backup == null ? {} : { backup_archive_uri = local.backup_archive_uri },
    { for index, uri in var.former_artifact_store_uris : "former_artifact_store_uris_${index}" => trimsuffix(uri, "/") },
    { for level in local.client_levels : "${level}_policy_arn" => aws_iam_policy.client[level].arn }, # Static keys for `terraform import`.
  ) : {}
}

resource "aws_ssm_parameter" "output" {
  for_each = local.parameters

  name        = "${local.parameter_path}/${each.key}"
  description = "MLflow of ${local.name}, written by Terraform"
  type        = "String"
  value       = each.value
  tags        = var.tags

  lifecycle {
    precondition {
      condition     = !can(regex("^(aws|ssm)", var.project_name))
      error_message = "The parameters would be named ${local.parameter_path}/..., and SSM reserves names that begin with \"aws\" or \"ssm\". Choose another project_name, or set publish_parameters = false."
    }
  }
}

locals {
  parameter_path = "/${var.project_name}/${var.environment}"
}
