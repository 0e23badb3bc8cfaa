# The bucket that the environments keep their states in, this root's own among them. `make bootstrap` applies it.
# No file here is called main.tf: a folder with one is an environment to the scripts, and this is none.
module "state" {
  source = "../../../terraform/module/state"

  bucket_name                = var.bucket_name
  kms_key_id                 = var.kms_key_id
  dangerously_allow_deletion = var.dangerously_allow_deletion

  state_keys = merge(
    { state = "mlflow/state/terraform.tfstate" },
    { for environment in var.environments : environment => "mlflow/${environment}/terraform.tfstate" },
  )
}
