# The role of the training pipeline, for artifacts in an existing bucket. The policy is the writer policy of the mlflow module.
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

module "pipeline" {
  source = "../.."

  project_name        = "churn"
  environment         = "dev"
  artifact_store_uri  = "s3://acme-ml-artifacts/churn"
  tracking_policy_arn = "arn:aws:iam::111122223333:policy/churn-dev-mlflow-writer"
  training_pipeline   = { image_repositories = ["training"] }
}

output "pipeline_role_arn" {
  description = "Role of the pipeline and its jobs."
  value       = module.pipeline.pipeline_role_arn
}
