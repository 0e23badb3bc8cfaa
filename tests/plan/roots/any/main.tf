# The module with whatever inputs a test gives it; those that it does not give are the module's own defaults.
terraform {
  required_version = ">= 1.5"
}

variable "inputs" {
  description = "The module's inputs by name."
  type        = any
}

module "mlflow" {
  source = "../terraform/module/mlflow"

  project_name                    = try(var.inputs.project_name, "churn")
  environment                     = try(var.inputs.environment, "dev")
  mlflow_version                  = try(var.inputs.mlflow_version, null)
  create_s3_bucket                = try(var.inputs.create_s3_bucket, null)
  bucket_name_suffix              = try(var.inputs.bucket_name_suffix, null)
  artifact_store_uri              = try(var.inputs.artifact_store_uri, null)
  create_kms_key                  = try(var.inputs.create_kms_key, null)
  kms_key_id                      = try(var.inputs.kms_key_id, null)
  weekly_maintenance_window_start = try(var.inputs.weekly_maintenance_window_start, null)
}

module "serving" {
  source = "../terraform/module/serving"

  project_name       = try(var.inputs.project_name, "churn")
  environment        = try(var.inputs.environment, "dev")
  artifact_store_uri = module.mlflow.artifact_store_uri
  kms_key_arn        = module.mlflow.kms_key_arn
}
