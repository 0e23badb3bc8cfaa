# For an organisation that asks for a customer key, a permissions boundary on every role, and an audit policy on
# the server's. Nothing can be deleted by accident: that is the module's default.
terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}

provider "aws" {
  region = "eu-west-1"

  default_tags {
    tags = { cost-center = "4711" }
  }
}

data "aws_iam_policy_document" "boundary" {
  statement {
    actions   = ["s3:*", "sagemaker:*", "kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "boundary" {
  name   = "acme-boundary"
  policy = data.aws_iam_policy_document.boundary.json
}

data "aws_iam_policy_document" "lineage" {
  statement {
    actions   = ["sagemaker:CreateAction", "sagemaker:AddAssociation"]
    resources = ["arn:aws:sagemaker:eu-west-1:*:*"]
  }
}

resource "aws_iam_policy" "lineage" {
  name   = "acme-mlflow-lineage"
  policy = data.aws_iam_policy_document.lineage.json
}

module "mlflow" {
  source = "../.."

  project_name                    = "fraud"
  environment                     = "prod"
  bucket_name_suffix              = "acme-prod"
  mlflow_version                  = "3.0"
  tracking_server_size            = "Large"
  weekly_maintenance_window_start = "Sun:02:00"
  create_kms_key                  = true
  permissions_boundary_arn        = aws_iam_policy.boundary.arn
  additional_role_policies        = { lineage = aws_iam_policy.lineage.arn }
  tags                            = { data-classification = "confidential" }
}

output "mlflow_tracking_uri" {
  description = "For MLFLOW_TRACKING_URI."
  value       = module.mlflow.mlflow_tracking_uri
}

output "kms_key_arn" {
  description = "For the roles of those who read and write artifacts."
  value       = module.mlflow.kms_key_arn
}
