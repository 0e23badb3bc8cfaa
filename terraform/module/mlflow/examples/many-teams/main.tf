# Servers, policies and prefixes of many teams from one map. All teams store their artifacts in one bucket, each below a prefix of its own
# that the other teams' policies do not contain. See docs/guides/many-teams.md.
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
  region = var.region
}

variable "region" {
  description = "Region of all servers and of the bucket."
  type        = string
  default     = "eu-west-1"
  nullable    = false
}

variable "stage" {
  description = "Stage of all teams, such as \"prod\"."
  type        = string
  default     = "prod"
  nullable    = false
}

variable "iam_path" {
  description = "IAM path of all roles and policies, such as \"/ml/\"."
  type        = string
  default     = "/"
  nullable    = false
}

variable "bucket_name" {
  description = "Name of the bucket that all teams share."
  type        = string
  default     = "acme-ml-artifacts-eu-west-1"
  nullable    = false
}

variable "teams" {
  description = "What each team gets, by its name. `reader_accounts` are accounts whose principals may assume the team's reader role. `writer_permission_set_arn` is a permission set of IAM Identity Center that gets the writer policies in `instance_arn`."
  type = map(object({
    size                      = optional(string, "Small")
    mlflow_version            = optional(string, "3.0")
    schedule                  = optional(object({ start = string, stop = string, time_zone = optional(string, "UTC") }))
    writer_role_names         = optional(set(string), [])
    reader_accounts           = optional(set(string), [])
    writer_permission_set_arn = optional(string)
    instance_arn              = optional(string)
  }))
  default = {
    churn = { size = "Medium", reader_accounts = ["210987654321"] }
    fraud = { schedule = { start = "cron(0 7 ? * MON-FRI *)", stop = "cron(0 20 ? * MON-FRI *)" } }
    search = {
      writer_permission_set_arn = "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef"
      instance_arn              = "arn:aws:sso:::instance/ssoins-1234567890abcdef"
    }
  }
  nullable = false

  validation {
    condition     = alltrue([for team in values(var.teams) : (team.writer_permission_set_arn == null) == (team.instance_arn == null)])
    error_message = "Give writer_permission_set_arn and instance_arn together, for the teams ${join(", ", [for name, team in var.teams : name if(team.writer_permission_set_arn == null) != (team.instance_arn == null)])}."
  }

  validation {
    condition     = alltrue(flatten([for team in values(var.teams) : [for account in team.reader_accounts : can(regex("^[0-9]{12}$", account))]]))
    error_message = "reader_accounts takes account numbers with twelve digits."
  }
}

locals {
  # IAM names have no region. With the region in the environment's name, the same team can have servers in two regions of one account.
  # The whole region, because abbreviations collide: ap-south-2 and ap-southeast-2.
  environment = "${var.stage}-${replace(var.region, "-", "")}"

  readers = merge([for name, team in var.teams : { (name) = team.reader_accounts } if length(team.reader_accounts) > 0]...)
  permission_sets = merge([
    for name, team in var.teams : {
      for policy in module.team[name].client_policy_names["writer"] : "${name}/${policy}" => { team = name, policy = policy }
    } if team.writer_permission_set_arn != null
  ]...)
}

resource "aws_s3_bucket" "shared" {
  bucket = var.bucket_name
}

resource "aws_s3_bucket_versioning" "shared" {
  bucket = aws_s3_bucket.shared.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "shared" {
  bucket                  = aws_s3_bucket.shared.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

module "team" {
  source   = "../.."
  for_each = var.teams

  project_name         = each.key
  environment          = local.environment
  create_s3_bucket     = false
  artifact_store_uri   = "s3://${aws_s3_bucket.shared.bucket}/teams/${each.key}"
  mlflow_version       = each.value.mlflow_version
  tracking_server_size = each.value.size
  schedule             = each.value.schedule
  writer_role_names    = each.value.writer_role_names
  iam_path             = var.iam_path
  tags                 = { team = each.key }
}

# Tracking servers have no resource policy, so principals of other accounts assume a role in this one.
resource "aws_iam_role" "reader" {
  for_each = local.readers

  name        = "${each.key}-${local.environment}-mlflow-reader"
  path        = var.iam_path
  description = "Reads MLflow of ${each.key} from other accounts"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AllowReaderAccounts"
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = [for account in sort(each.value) : "arn:aws:iam::${account}:root"] }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "reader" {
  # A reader needs one policy for tracking and one for artifacts.
  for_each = merge([for name in keys(local.readers) : { for index in [0, 1] : "${name}/${index}" => { team = name, index = index } }]...)

  role       = aws_iam_role.reader[each.value.team].name
  policy_arn = module.team[each.value.team].client_policy_arns["reader"][each.value.index]
}

# A permission set refers to policies by name. The policies must exist under the same names in every account of the set.
resource "aws_ssoadmin_customer_managed_policy_attachment" "writer" {
  for_each = local.permission_sets

  instance_arn       = var.teams[each.value.team].instance_arn
  permission_set_arn = var.teams[each.value.team].writer_permission_set_arn

  customer_managed_policy_reference {
    name = each.value.policy
    path = var.iam_path
  }
}

output "mlflow_tracking_uris" {
  description = "Value of MLFLOW_TRACKING_URI, by team."
  value       = { for name, team in module.team : name => team.mlflow_tracking_uri }
}

output "reader_role_arns" {
  description = "Role that readers of other accounts assume, by team."
  value       = { for name, role in aws_iam_role.reader : name => role.arn }
}
