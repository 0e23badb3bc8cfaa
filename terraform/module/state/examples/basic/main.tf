provider "aws" {
  region = "us-east-1"
}

module "state" {
  source = "../.."

  bucket_name = "terraform-states-111122223333"

  state_keys = {
    staging = "mlflow/staging/terraform.tfstate"
    prod    = "mlflow/prod/terraform.tfstate"
  }
}

output "backend_hcl" {
  value = module.state.backend_hcl
}
