# Names and ARNs are built from the inputs instead of read from the resources. So they are known when Terraform plans, and the
# plan shows the real policies.
locals {
  name = "${var.project_name}-${var.environment}"

  # For what all regions of an account share: roles, policies, the dashboard and the budget.
  global_name = "${var.global_name_prefix}${local.name}"

  versions = toset(local.is_serverless ? [] : concat([var.mlflow_version], var.retained_mlflow_versions))

  # One server per MLflow version, or one App.
  is_serverless = var.backend == "serverless"
  server_names  = { for version in local.versions : version => lookup(var.tracking_server_name_override, version, "${local.name}-${replace(version, ".", "-")}") }

  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition

  # Provider 6 deprecates `name` and, from 6.47 on, `id`; provider 5 has no `region`. The endpoint is "ec2.REGION.amazonaws.com".
  # https://github.com/hashicorp/terraform-provider-aws/issues/48067
  region = split(".", data.aws_region.current.endpoint)[1]

  # The fallbacks avoid a second error where preconditions.tf already reports a missing input.
  new_bucket_name      = coalesce(var.bucket_name_override, join("-", compact([local.name, "mlflow-artifacts", var.bucket_name_suffix])))
  artifact_store_uri   = var.create_s3_bucket ? "s3://${local.new_bucket_name}" : trimsuffix(coalesce(var.artifact_store_uri, "s3://none"), "/")
  artifact_path        = trimprefix(local.artifact_store_uri, "s3://")
  artifact_bucket_name = split("/", local.artifact_path)[0]

  # Empty if the whole bucket is the store.
  artifact_prefix = trimprefix(trimprefix(local.artifact_path, local.artifact_bucket_name), "/")

  # The present store first, each as "bucket" or "bucket/prefix".
  readable_store_paths = distinct(concat([local.artifact_path], [for uri in var.former_artifact_store_uris : trimsuffix(trimprefix(uri, "s3://"), "/")]))

  artifact_bucket_arn  = "arn:${local.partition}:s3:::${local.artifact_bucket_name}"
  artifact_objects_arn = "arn:${local.partition}:s3:::${local.artifact_path}/*"

  server_arns = [for name in values(local.server_names) : "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:mlflow-tracking-server/${name}"]
}

# The minutes and hours of a cron expression, for validations:
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html#eb-cron-expressions
locals {
  cron_minute = "(\\*|[0-5]?[0-9](-[0-5]?[0-9])?)(/[1-9][0-9]*)?"
  cron_hour   = "(\\*|([01]?[0-9]|2[0-3])(-([01]?[0-9]|2[0-3]))?)(/[1-9][0-9]*)?"
  cron_times  = "${local.cron_minute}(,${local.cron_minute})* ${local.cron_hour}(,${local.cron_hour})*"
}

# Buckets that the patterns of the inputs let pass, and that S3 refuses: an IP address, or two adjacent periods.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
locals {
  refused_bucket = "^(s3://|arn:[a-z-]+:s3:::)?([^/]*[.][.]|[0-9]+([.][0-9]+){3}(/|$))"
  bucket_rule    = "S3 takes no IP address as a bucket's name, and no two periods side by side."
}

data "aws_partition" "current" {}

data "aws_region" "current" {}
