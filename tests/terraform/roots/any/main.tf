# The module with whatever inputs a test gives it; those that it does not give are the module's own defaults.
terraform {
  required_version = ">= 1.11"
}

variable "inputs" {
  description = "The module's inputs by name."
  type        = any
}

module "mlflow" {
  source = "../terraform/module/mlflow"

  project_name                       = try(var.inputs.project_name, "churn")
  environment                        = try(var.inputs.environment, "dev")
  mlflow_version                     = try(var.inputs.mlflow_version, null)
  create_s3_bucket                   = try(var.inputs.create_s3_bucket, null)
  bucket_name_suffix                 = try(var.inputs.bucket_name_suffix, null)
  artifact_store_uri                 = try(var.inputs.artifact_store_uri, null)
  create_kms_key                     = try(var.inputs.create_kms_key, null)
  kms_key_id                         = try(var.inputs.kms_key_id, null)
  weekly_maintenance_window_start    = try(var.inputs.weekly_maintenance_window_start, null)
  artifact_transition                = try(var.inputs.artifact_transition, null)
  deleted_artifact_expiration_days   = try(var.inputs.deleted_artifact_expiration_days, null)
  access_logs                        = try(var.inputs.access_logs, null)
  cors_allowed_origins               = try(var.inputs.cors_allowed_origins, null)
  kms_key_administrator_arns         = try(var.inputs.kms_key_administrator_arns, null)
  kms_key_deletion_window_days       = try(var.inputs.kms_key_deletion_window_days, null)
  kms_key_alias                      = try(var.inputs.kms_key_alias, null)
  former_kms_key_arns                = try(var.inputs.former_kms_key_arns, null)
  create_role                        = try(var.inputs.create_role, null)
  role_arn                           = try(var.inputs.role_arn, null)
  additional_role_policies           = try(var.inputs.additional_role_policies, null)
  reader_role_names                  = try(var.inputs.reader_role_names, null)
  writer_role_names                  = try(var.inputs.writer_role_names, null)
  admin_role_names                   = try(var.inputs.admin_role_names, null)
  readers_may_open_ui                = try(var.inputs.readers_may_open_ui, null)
  permissions_boundary_arn           = try(var.inputs.permissions_boundary_arn, null)
  noncurrent_version_expiration_days = try(var.inputs.noncurrent_version_expiration_days, 90)
  deployment_policy_document         = module.serving.deployment_policy_document

  backup             = try(var.inputs.backup, null)
  schedule           = try(var.inputs.schedule, null)
  notifications      = try(var.inputs.notifications, null)
  monthly_budget_usd = try(var.inputs.monthly_budget_usd, null)
  publish_parameters = try(var.inputs.publish_parameters, null)
}

module "serving" {
  source = "../terraform/module/serving"

  project_name        = try(var.inputs.project_name, "churn")
  environment         = try(var.inputs.environment, "dev")
  artifact_store_uri  = module.mlflow.artifact_store_uri
  kms_key_arn         = module.mlflow.kms_key_arn
  former_kms_key_arns = module.mlflow.former_kms_key_arns
}
