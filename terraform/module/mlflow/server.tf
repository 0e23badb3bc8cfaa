# One server per MLflow version, so that an upgrade can add a server beside the old one: AWS cannot upgrade one in
# place, and replacing one loses every experiment and run in it.
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

  # The server tries its role and bucket as it is created and the provider does not repeat a create that was
  # refused, so everything that the role needs, and that the first object must find in place, comes first.
  depends_on = [
    aws_iam_role_policy.basic_access,
    aws_iam_role_policy_attachment.additional,
    aws_s3_bucket.artifacts,
    aws_s3_bucket_ownership_controls.artifacts,
    aws_s3_bucket_policy.artifacts,
    aws_s3_bucket_public_access_block.artifacts,
    aws_s3_bucket_server_side_encryption_configuration.artifacts,
    aws_s3_bucket_versioning.artifacts,
  ]
}

locals {
  active_server = aws_sagemaker_mlflow_tracking_server.this[var.mlflow_version]
}
