# One server per MLflow version, so that an upgrade can add a server beside the old one. AWS cannot upgrade a server in place,
# and a replaced server loses all its experiments and runs.
resource "aws_sagemaker_mlflow_tracking_server" "this" {
  for_each = local.versions

  tracking_server_name            = local.server_names[each.key]
  mlflow_version                  = each.key
  tracking_server_size            = var.tracking_server_size
  role_arn                        = local.role_arn
  artifact_store_uri              = local.artifact_store_uri
  automatic_model_registration    = var.automatic_model_registration
  weekly_maintenance_window_start = var.weekly_maintenance_window_start
  tags                            = var.tags

  # AWS uses the role and the bucket while it creates the server, and the provider does not retry a failed creation. So the
  # role's policies and the bucket's settings come first.
  depends_on = [
    aws_iam_role_policy.basic_access,
    aws_iam_role_policy_attachment.additional,
    aws_iam_role_policy_attachment.deletion_protection,
    aws_s3_bucket.artifacts,
    aws_s3_bucket_ownership_controls.artifacts,
    aws_s3_bucket_policy.artifacts,
    aws_s3_bucket_public_access_block.artifacts,
    aws_s3_bucket_server_side_encryption_configuration.artifacts,
    aws_s3_bucket_versioning.artifacts,
  ]
}

# What the outputs describe: the server of the active version, or the App. An App has no address of its own.
locals {
  active_server = local.is_serverless ? {
    arn            = local.app_arn
    name           = local.app_name
    url            = null
    mlflow_version = local.app_mlflow_version
    } : {
    arn            = aws_sagemaker_mlflow_tracking_server.this[var.mlflow_version].arn
    name           = aws_sagemaker_mlflow_tracking_server.this[var.mlflow_version].tracking_server_name
    url            = aws_sagemaker_mlflow_tracking_server.this[var.mlflow_version].tracking_server_url
    mlflow_version = aws_sagemaker_mlflow_tracking_server.this[var.mlflow_version].mlflow_version
  }
}
