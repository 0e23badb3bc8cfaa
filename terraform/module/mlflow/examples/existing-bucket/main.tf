# Stores artifacts below a prefix of an existing bucket that another team owns and that has its own KMS key. This example creates
# the bucket to be complete; the module needs only its name and the ARN of its key.
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

resource "aws_kms_key" "data_lake" {
  description         = "Data lake"
  enable_key_rotation = true
}

resource "aws_s3_bucket" "data_lake" {
  bucket = "acme-data-lake"
}

resource "aws_s3_bucket_server_side_encryption_configuration" "data_lake" {
  bucket = aws_s3_bucket.data_lake.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.data_lake.arn
    }
    bucket_key_enabled = true
  }
}

module "mlflow" {
  source = "../.."

  project_name       = "churn"
  environment        = "dev"
  create_s3_bucket   = false
  artifact_store_uri = "s3://${aws_s3_bucket.data_lake.bucket}/mlflow/churn"
  kms_key_id         = aws_kms_key.data_lake.arn
}

output "mlflow_tracking_uri" {
  description = "Value of MLFLOW_TRACKING_URI."
  value       = module.mlflow.mlflow_tracking_uri
}

output "artifact_store_uri" {
  description = "Prefix that the server's role may list, read and write. It has no access to the rest of the bucket."
  value       = module.mlflow.artifact_store_uri
}
