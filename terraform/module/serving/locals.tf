locals {
  name      = "${var.project_name}-${var.environment}"
  role_name = "${local.global_name}-endpoint-role"

  # For what all regions of an account share: roles and policies.
  global_name = "${var.global_name_prefix}${local.name}"

  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = split(".", data.aws_region.current.endpoint)[1]

  artifact_path        = trimsuffix(trimprefix(var.artifact_store_uri, "s3://"), "/")
  artifact_bucket_name = split("/", local.artifact_path)[0]
  artifact_bucket_arn  = "arn:${local.partition}:s3:::${local.artifact_bucket_name}"

  # Where endpoints may read models, as "bucket" or "bucket/prefix".
  store_paths = distinct(concat([local.artifact_path], [for uri in var.former_artifact_store_uris : trimsuffix(trimprefix(uri, "s3://"), "/")]))

  # kms:ViaService for S3; in AWS China with the suffix of its partition.
  s3_via_service = distinct([for suffix in ["amazonaws.com", data.aws_partition.current.dns_suffix] : "s3.${local.region}.${suffix}"])

  # Empty if the whole bucket is the store.
  artifact_prefix = trimprefix(trimprefix(local.artifact_path, local.artifact_bucket_name), "/")

  readable_key_arns = concat(var.kms_key_arn == null ? [] : [var.kms_key_arn], var.former_kms_key_arns)

  repositories = compact([local.repository_name, var.mlflow_image_repository])
}

# The minutes and hours of a cron expression, for validations:
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html#eb-cron-expressions
locals {
  cron_minute = "(\\*|[0-5]?[0-9](-[0-5]?[0-9])?)(/[1-9][0-9]*)?"
  cron_hour   = "(\\*|([01]?[0-9]|2[0-3])(-([01]?[0-9]|2[0-3]))?)(/[1-9][0-9]*)?"
  cron_times  = "${local.cron_minute}(,${local.cron_minute})* ${local.cron_hour}(,${local.cron_hour})*"
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

# Buckets that the patterns of the inputs let pass, and that S3 refuses: an IP address, or two adjacent periods.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
locals {
  refused_bucket = "^(s3://|arn:[a-z-]+:s3:::)?([^/]*[.][.]|[0-9]+([.][0-9]+){3}(/|$))"
  bucket_rule    = "S3 takes no IP address as a bucket's name, and no two periods side by side."
}
