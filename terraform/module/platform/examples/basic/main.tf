# One environment: the tracking server with its artifacts, and what models need to be served.
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

module "platform" {
  source = "../.."

  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme-dev"
}

output "mlflow_tracking_uri" {
  description = "Value of MLFLOW_TRACKING_URI."
  value       = module.platform.mlflow_tracking_uri
}
