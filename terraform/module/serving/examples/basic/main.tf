# What endpoints need, for artifacts in an existing bucket.
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

module "serving" {
  source = "../.."

  project_name       = "churn"
  environment        = "dev"
  artifact_store_uri = "s3://acme-ml-artifacts/churn"
}

output "serving_repository_url" {
  description = "Where build_image.py pushes images."
  value       = module.serving.serving_repository_url
}
