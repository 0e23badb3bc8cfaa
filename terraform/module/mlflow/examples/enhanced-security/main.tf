# For an organization that requires a KMS key with its own administrators, a permissions boundary on every role, access logs,
# and roles with least privilege for people. Nothing can be deleted by accident: that is the module's default.
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
  region = "eu-west-1"

  default_tags {
    tags = { cost-center = "4711" }
  }
}

# The boundary of the server's role and of the people's roles, which read the published parameters. With a schedule it must also
# allow sqs:SendMessage and states:StartExecution, and with a backup codebuild:StartBuild, logs:CreateLogStream and logs:PutLogEvents.
data "aws_iam_policy_document" "boundary" {
  statement {
    actions = [
      "codebuild:BatchGetBuilds",
      "codebuild:ListBuildsForProject",
      "ecr:BatchDeleteImage",
      "ecr:DescribeImages",
      "kms:Decrypt",
      "kms:GenerateDataKey",
      "s3:*",
      "sagemaker-mlflow:*",
      "sagemaker:*",
      "ssm:GetParameter*",
    ]
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

data "aws_caller_identity" "current" {}

data "aws_iam_session_context" "current" {
  arn = data.aws_caller_identity.current.arn
}

# The account's bucket for access logs. It has no KMS key, because S3 needs more rights to write logs to one that has.
resource "aws_s3_bucket" "logs" {
  bucket = "acme-access-logs"
}

data "aws_iam_policy_document" "logs" {
  statement {
    actions   = ["s3:PutObject"]
    resources = ["arn:aws:s3:::acme-access-logs/*"]

    principals {
      type        = "Service"
      identifiers = ["logging.s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_s3_bucket_policy" "logs" {
  bucket = aws_s3_bucket.logs.bucket
  policy = data.aws_iam_policy_document.logs.json
}

data "aws_iam_policy_document" "people" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "people" {
  for_each = toset(["analysts", "data-scientists", "mlops", "key-admin"])

  name                 = each.key
  assume_role_policy   = data.aws_iam_policy_document.people.json
  permissions_boundary = each.key == "key-admin" ? null : aws_iam_policy.boundary.arn
}

module "mlflow" {
  source = "../.."

  project_name                    = "fraud"
  environment                     = "prod"
  bucket_name_suffix              = "acme-prod"
  mlflow_version                  = "3.0"
  tracking_server_size            = "Large"
  weekly_maintenance_window_start = "Sun:02:00"
  tags                            = { data-classification = "confidential" }

  kms = {
    create = true

    # The caller of Terraform must be an administrator of the key, or it could not change the key any more.
    administrator_arns = [aws_iam_role.people["key-admin"].arn, data.aws_iam_session_context.current.issuer_arn]

    # The key before this one. Artifacts that were written under it stay readable.
    former_key_arns = ["arn:aws:kms:eu-west-1:${data.aws_caller_identity.current.account_id}:key/22222222-3333-4444-5555-666666666666"]
  }

  # Tried on localaws only. Without it, the role has the rights that AWS documents.
  harden_server_role = true

  permissions_boundary_arn = aws_iam_policy.boundary.arn
  additional_role_policies = { lineage = aws_iam_policy.lineage.arn }

  # The roles are created above, so they need not exist when Terraform plans. AWS does not document whether a reader's UI session
  # is limited to reading.
  verify_client_roles = false
  reader_role_names   = [aws_iam_role.people["analysts"].name]
  writer_role_names   = [aws_iam_role.people["data-scientists"].name]
  admin_role_names    = [aws_iam_role.people["mlops"].name]
  readers_may_open_ui = false

  access_logs                        = { bucket = aws_s3_bucket.logs.bucket }
  cors_allowed_origins               = ["https://d-abcdefghijkl.studio.eu-west-1.sagemaker.aws"]
  noncurrent_version_expiration_days = 365
  artifact_transition                = { days = 180, storage_class = "GLACIER_IR" }
  deleted_artifact_expiration_days   = 30
}

output "mlflow_tracking_uri" {
  description = "Value of MLFLOW_TRACKING_URI."
  value       = module.mlflow.mlflow_tracking_uri
}

output "kms_key_arn" {
  description = "Key of the artifacts. CloudTrail records each use of it."
  value       = module.mlflow.kms_key_arn
}

output "client_policy_arns" {
  description = "Policies for roles that are managed elsewhere."
  value       = module.mlflow.client_policy_arns
}
