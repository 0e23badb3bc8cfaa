# The bucket that holds the Terraform states of all environments, and the state of this root. `make bootstrap` applies it.
module "state" {
  source = "../module/state"

  bucket_name                = var.bucket_name
  kms_key_id                 = var.kms_key_id
  dangerously_allow_deletion = var.dangerously_allow_deletion
  administrator_arns         = var.administrator_arns

  # "state" is the key of this root. Existing buckets have its state there, so the key stays although the folder moved.
  state_keys = merge(
    { state = "mlflow/state/terraform.tfstate" },
    { for environment in var.environments : environment => "mlflow/${environment}/terraform.tfstate" },
  )
}
