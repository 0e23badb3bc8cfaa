module "mlflow" {
  source = "../../../terraform/module/mlflow"

  project_name                    = var.project_name
  environment                     = var.environment
  bucket_name_suffix              = var.bucket_name_suffix
  mlflow_version                  = var.mlflow_version
  tracking_server_size            = var.tracking_server_size
  automatic_model_registration    = var.automatic_model_registration
  weekly_maintenance_window_start = var.weekly_maintenance_window_start

  # The key is prod's own, so that access to its artifacts can be audited, and withdrawn, by key. The switches that
  # let a destroy take data with it are left off, and this root has none to turn on.
  create_kms_key           = true
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "serving" {
  source = "../../../terraform/module/serving"

  project_name             = var.project_name
  environment              = var.environment
  artifact_store_uri       = module.mlflow.artifact_store_uri
  kms_key_arn              = module.mlflow.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
}
