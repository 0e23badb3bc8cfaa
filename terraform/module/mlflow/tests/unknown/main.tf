# The module with inputs that are known only after the apply, as when the same configuration creates the key, role, bucket or
# topic. Terraform must still know how many resources to create.
terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}

resource "terraform_data" "later" {
  for_each = {
    boundary = "arn:aws:iam::111122223333:policy/boundary"
    bucket   = "data-lake"
    document = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
    key      = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    group    = "sg-0123456789abcdef0"
    role     = "arn:aws:iam::111122223333:role/mlflow-server"
    subnet   = "subnet-0123456789abcdef0"
    topic    = "arn:aws:sns:us-east-1:111122223333:platform"
    value    = "ml"
    vpc      = "vpc-0123456789abcdef0"
  }

  input = each.value
}

locals {
  later = { for name, data in terraform_data.later : name => data.output }
}

module "everything_exists" {
  source = "../.."

  project_name       = "churn"
  environment        = "dev"
  create_s3_bucket   = false
  artifact_store_uri = "s3://${local.later["bucket"]}/mlflow"
  kms                = { key_id = local.later["key"], former_key_arns = [local.later["key"]] }
  create_role        = false
  role_arn           = local.later["role"]
  notifications      = { topic_arn = local.later["topic"] }
  monthly_budget_usd = 500
  tags               = { project = "churn" }
  backup             = { repository = "./tests/mocks/repository", schedule_expression = "cron(0 12 ? * MON-FRI *)", alarm_after_hours = 73 }
  schedule           = { start = "cron(0 8 ? * MON-FRI *)", stop = "cron(0 20 ? * MON-FRI *)" }
}

module "everything_is_new" {
  source = "../.."

  project_name               = "churn"
  environment                = "test"
  bucket_name_suffix         = local.later["value"]
  kms_key_id                 = local.later["key"]
  former_artifact_store_uris = ["s3://${local.later["bucket"]}"]
  access_logs                = { bucket = local.later["bucket"] }
  additional_role_policies   = { lineage = local.later["boundary"] }
  permissions_boundary_arn   = local.later["boundary"]
  deployment_policy_document = local.later["document"]
  create_deployment_policy   = true
  notifications              = {}
  tags                       = { team = local.later["value"] }
  replication                = { bucket_arn = "arn:aws:s3:::${local.later["bucket"]}", kms_key_arn = local.later["key"] }

  backup = {
    repository              = "./tests/mocks/repository"
    destination_uri         = "s3://${local.later["bucket"]}"
    destination_kms_key_arn = local.later["key"]
    package_index_url       = "https://${local.later["value"]}.example.com/simple"
    vpc                     = { vpc_id = local.later["vpc"], subnet_ids = [local.later["subnet"]], security_group_ids = [local.later["group"]] }
  }
}

module "a_new_key" {
  source = "../.."

  project_name       = "churn"
  environment        = "prod"
  bucket_name_suffix = "acme"
  kms                = { create = true, administrator_arns = [local.later["role"]] }
}
