# The module once for every case that it has to refuse: one plan then tells all the errors.
terraform {
  required_version = ">= 1.11"
}

variable "cases" {
  description = "The module's inputs by name, by the name of the case. What a case leaves out has the module's default."
  type        = any
}

module "case" {
  source   = "../terraform/module/mlflow"
  for_each = var.cases

  project_name                       = try(each.value.project_name, "churn")
  environment                        = try(each.value.environment, "dev")
  mlflow_version                     = try(each.value.mlflow_version, null)
  retained_mlflow_versions           = try(each.value.retained_mlflow_versions, null)
  tracking_server_size               = try(each.value.tracking_server_size, null)
  weekly_maintenance_window_start    = try(each.value.weekly_maintenance_window_start, null)
  create_s3_bucket                   = try(each.value.create_s3_bucket, null)
  bucket_name_suffix                 = try(each.value.bucket_name_suffix, null)
  artifact_store_uri                 = try(each.value.artifact_store_uri, null)
  noncurrent_version_expiration_days = try(each.value.noncurrent_version_expiration_days, null)
  artifact_transition                = try(each.value.artifact_transition, null)
  deleted_artifact_expiration_days   = try(each.value.deleted_artifact_expiration_days, null)
  access_logs                        = try(each.value.access_logs, null)
  cors_allowed_origins               = try(each.value.cors_allowed_origins, null)
  create_kms_key                     = try(each.value.create_kms_key, null)
  kms_key_administrator_arns         = try(each.value.kms_key_administrator_arns, null)
  kms_key_deletion_window_days       = try(each.value.kms_key_deletion_window_days, null)
  kms_key_id                         = try(each.value.kms_key_id, null)
  former_kms_key_arns                = try(each.value.former_kms_key_arns, null)
  kms_key_alias                      = try(each.value.kms_key_alias, null)
  create_role                        = try(each.value.create_role, null)
  role_arn                           = try(each.value.role_arn, null)
  reader_role_names                  = try(each.value.reader_role_names, null)
  writer_role_names                  = try(each.value.writer_role_names, null)
  admin_role_names                   = try(each.value.admin_role_names, null)
  deployment_policy_document         = try(each.value.deployment_policy_document, null)
  additional_role_policies           = try(each.value.additional_role_policies, null)
  permissions_boundary_arn           = try(each.value.permissions_boundary_arn, null)
  backup                             = try(each.value.backup, null)
  schedule                           = try(each.value.schedule, null)
  notifications                      = try(each.value.notifications, null)
  monthly_budget_usd                 = try(each.value.monthly_budget_usd, null)
}
