# A Studio domain in an existing VPC, for one writer and one reader of an existing environment.
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

locals {
  policies = "arn:aws:iam::111122223333:policy/churn-dev-mlflow"
}

module "studio" {
  source = "../.."

  project_name       = "churn"
  environment        = "dev"
  reader_policy_arns = ["${local.policies}-reader", "${local.policies}-reader-artifacts"]
  writer_policy_arns = ["${local.policies}-writer", "${local.policies}-writer-artifacts"]
  can_train          = false

  studio = {
    vpc_id             = "vpc-0123456789abcdef0"
    subnet_ids         = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
    security_group_ids = ["sg-0123456789abcdef0"]
    user_profiles      = { ana = "writer", ben = "reader" }
  }
}

output "studio_url" {
  description = "Address of SageMaker Studio."
  value       = module.studio.studio_url
}
