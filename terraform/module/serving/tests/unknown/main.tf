# The module with inputs that are known only after the apply, as when the same configuration creates the network, key and topic.
# Terraform must still know how many resources to create.
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
    account = "444455556666"
    bucket  = "data-lake"
    image   = "111122223333.dkr.ecr.us-east-1.amazonaws.com/churn-dev-serving:1a2b"
    group   = "sg-0123456789abcdef0"
    key     = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    role    = "arn:aws:iam::111122223333:role/ci"
    subnet  = "subnet-0123456789abcdef0"
    topic   = "arn:aws:sns:us-east-1:111122223333:platform"
    vpc     = "vpc-0123456789abcdef0"
  }

  input = each.value
}

locals {
  later = { for name, data in terraform_data.later : name => data.output }
}

module "everything_is_new" {
  source = "../.."

  project_name                = "churn"
  environment                 = "dev"
  artifact_store_uri          = "s3://${local.later["bucket"]}"
  kms_key_arn                 = local.later["key"]
  async_topic_arns            = [local.later["topic"]]
  image_pusher_principal_arns = [local.later["role"]]
  model_package_readers       = { iris = [local.later["account"]] }
  endpoint_vpc                = { subnet_ids = [local.later["subnet"], local.later["subnet"]], security_group_ids = [local.later["group"]] }

  tracking_server        = { name = "churn-dev-3-0", mlflow_version = "3.0" }
  notification_topic_arn = local.later["topic"]
  monitoring             = { image_uri = local.later["image"] }

  image_build = {
    package_index_url = "https://${local.later["vpc"]}.example.com/simple"
    vpc               = { vpc_id = local.later["vpc"], subnet_ids = [local.later["subnet"]], security_group_ids = [local.later["group"]] }
  }
}
