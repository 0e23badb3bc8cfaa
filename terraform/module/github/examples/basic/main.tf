# GitHub's roles for staging and prod, beside the bucket of their states. An administrator applies it once.
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

module "github" {
  source = "../.."

  repository        = "acme/ml-platform"
  project_name      = "mlflow"
  state_bucket_name = "terraform-states-111122223333"

  environments = {
    staging = {}
    prod    = { client_role_names = ["data-scientists"] }
  }
}

output "role_arns" {
  description = "For the workflows' inputs."
  value       = module.github.role_arns
}

output "client_boundary_arns" {
  description = "For the roles in client_role_names: aws iam put-role-permissions-boundary."
  value       = module.github.client_boundary_arns
}

output "boundary_arns" {
  description = "For permissions_boundary_arn in each environment's terraform.tfvars."
  value       = module.github.boundary_arns
}
