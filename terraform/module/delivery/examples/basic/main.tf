# Tests, trains and deploys after a push to a CodeCommit repository. The policies are those of the mlflow and the pipeline module.
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

module "delivery" {
  source = "../.."

  project_name         = "churn"
  environment          = "dev"
  tracking_policy_arn  = "arn:aws:iam::111122223333:policy/churn-dev-mlflow-writer"
  deployer_policy_arns = ["arn:aws:iam::111122223333:policy/churn-dev-mlflow-deployment"]
  runner_policy_arn    = "arn:aws:iam::111122223333:policy/churn-dev-pipeline-runner"
  can_train            = true

  delivery = {
    source     = { codecommit_repository = "models" }
    model_name = "iris"
    image_uri  = "111122223333.dkr.ecr.us-east-1.amazonaws.com/training:1"
  }
}
