module "mlflow" {
  source = "../../../terraform/module/mlflow"

  project_name                    = var.project_name
  environment                     = var.environment
  bucket_name_suffix              = var.bucket_name_suffix
  mlflow_version                  = var.mlflow_version
  retained_mlflow_versions        = var.retained_mlflow_versions
  tracking_server_size            = var.tracking_server_size
  automatic_model_registration    = var.automatic_model_registration
  weekly_maintenance_window_start = var.weekly_maintenance_window_start

  # The key is prod's own, so that access to its artifacts can be audited, and withdrawn, by key. The switches that
  # let a destroy take data with it are left off, and this root has none to turn on.
  create_kms_key             = true
  kms_key_administrator_arns = var.kms_key_administrator_arns
  former_kms_key_arns        = var.former_kms_key_arns
  permissions_boundary_arn   = var.permissions_boundary_arn

  reader_role_names          = var.reader_role_names
  writer_role_names          = var.writer_role_names
  admin_role_names           = var.admin_role_names
  deployment_policy_document = module.serving.deployment_policy_document
  access_logs                = var.access_logs
  backup                     = var.backup

  schedule           = var.schedule
  notifications      = var.notifications
  monthly_budget_usd = var.monthly_budget_usd
}

module "serving" {
  source = "../../../terraform/module/serving"

  project_name             = var.project_name
  environment              = var.environment
  artifact_store_uri       = module.mlflow.artifact_store_uri
  kms_key_arn              = module.mlflow.kms_key_arn
  former_kms_key_arns      = module.mlflow.former_kms_key_arns
  permissions_boundary_arn = var.permissions_boundary_arn
}
