# Staging with private access from a VPC without internet access. In the root of staging, add the same call next to the
# module `mlflow`.
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

module "mlflow" {
  source = "../../../mlflow"

  project_name       = "mlflow"
  environment        = "staging"
  bucket_name_suffix = "acme-staging"
}

module "private_access" {
  source = "../.."

  project_name = "mlflow"
  environment  = "staging"

  vpc_id     = aws_vpc.team.id
  subnet_ids = [for subnet in aws_subnet.private : subnet.id]

  allowed_cidr_blocks = {
    team = aws_vpc.team.cidr_block
  }

  allowed_security_group_ids = {
    default = aws_vpc.team.default_security_group_id
  }

  s3_gateway = {
    route_table_ids = [aws_route_table.private.id]
    bucket_names    = [module.mlflow.artifact_bucket_name]
  }
}

resource "aws_vpc" "team" {
  cidr_block           = "10.20.0.0/16"
  enable_dns_support   = true
  enable_dns_hostnames = true
}

resource "aws_subnet" "private" {
  for_each = {
    us-east-1a = "10.20.0.0/20"
    us-east-1b = "10.20.16.0/20"
  }

  vpc_id            = aws_vpc.team.id
  availability_zone = each.key
  cidr_block        = each.value
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.team.id
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private.id
}

output "endpoint_ids" {
  description = "For policies that allow access from this VPC only."
  value       = module.private_access.endpoint_ids
}
