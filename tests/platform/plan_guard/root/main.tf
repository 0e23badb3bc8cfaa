# What the guard and the estimate look at, small enough to be planned in a second or two and without any AWS.
terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

provider "aws" {
  region                      = var.region
  access_key                  = "unit"
  secret_key                  = "unit" # pragma: allowlist secret
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variable "region" {
  type    = string
  default = "us-east-1"
}

variable "servers" {
  type = map(object({
    mlflow_version               = optional(string, "3.0")
    tracking_server_size         = optional(string, "Small")
    automatic_model_registration = optional(bool, true)
  }))
  default = { a = {}, b = {}, c = {} }
}

variable "schedule" {
  type    = map(string)
  default = {}
}

resource "aws_sagemaker_mlflow_tracking_server" "this" {
  for_each = var.servers

  tracking_server_name         = "mlflow-unit-${each.key}"
  mlflow_version               = each.value.mlflow_version
  tracking_server_size         = each.value.tracking_server_size
  automatic_model_registration = each.value.automatic_model_registration
  role_arn                     = "arn:aws:iam::123456789012:role/unit"
  artifact_store_uri           = "s3://mlflow-unit-artifacts"
}

resource "aws_s3_bucket" "artifacts" {
  bucket = "mlflow-unit-artifacts"
}

resource "aws_kms_key" "artifacts" {
  description = "unit"
}

resource "aws_kms_alias" "artifacts" {
  name          = "alias/mlflow-unit-key"
  target_key_id = aws_kms_key.artifacts.key_id
}

resource "aws_vpc_endpoint" "experiments" {
  vpc_id            = "vpc-0123456789abcdef0"
  service_name      = "aws.sagemaker.us-east-1.experiments"
  vpc_endpoint_type = "Interface"
  subnet_ids        = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
}

resource "aws_cloudwatch_log_group" "by_use" {
  name = "unit"
}

resource "aws_codecommit_repository" "unpriced" {
  repository_name = "unit"
}

resource "aws_scheduler_schedule" "server" {
  for_each = var.schedule

  name                = each.key
  schedule_expression = each.value

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:aws:states:us-east-1:123456789012:stateMachine:unit"
    role_arn = "arn:aws:iam::123456789012:role/unit"
    input    = jsonencode({ Action = each.key, TrackingServerName = "mlflow-unit-a" })
  }
}
