# A bucket for the states of two environments.
terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}

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
  description = "Content of backend.hcl of staging and prod."
  value       = module.state.backend_hcl
}
