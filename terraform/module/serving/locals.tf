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

# What EventBridge Scheduler accepts, for validations: otherwise it refuses a schedule in the middle of an apply.
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html and
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html#eb-cron-expressions
locals {
  cron_values = {
    minute  = "[0-5]?[0-9]"
    hour    = "[01]?[0-9]|2[0-3]"
    day     = "0?[1-9]|[12][0-9]|3[01]"
    month   = "0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"
    weekday = "[1-7]|(?i:SUN|MON|TUE|WED|THU|FRI|SAT)"
    year    = "19[7-9][0-9]|2[01][0-9]{2}"
  }
  cron_ranges = { for field, value in local.cron_values : field => "(\\*|(${value})(-(${value}))?)(/[1-9][0-9]*)?" }
  cron_parts = merge(local.cron_ranges, {
    day     = "(${local.cron_ranges.day}|LW?|L-[1-9][0-9]?|(${local.cron_values.day})W)"
    weekday = "(${local.cron_ranges.weekday}|(${local.cron_values.weekday})?L)"
  })
  cron_lists = { for field, part in local.cron_parts : field => "${part}(,${part})*" }

  # Exactly one of the two days is "?".
  cron_days       = "(${local.cron_lists.day} ${local.cron_lists.month} \\?|\\? ${local.cron_lists.month} (${local.cron_lists.weekday}|(${local.cron_values.weekday})#[1-5]))"
  cron_expression = "cron\\(${local.cron_lists.minute} ${local.cron_lists.hour} ${local.cron_days} ${local.cron_lists.year}\\)"

  # Names of the IANA time zone database.
  time_zones = jsondecode(file("${path.module}/time_zones.json"))
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

# Buckets and prefixes that the patterns of the inputs let pass, and that do not work: a bucket's name that is an IP address or has two
# adjacent periods; in a prefix the folders "." and "..", which clients resolve, and "#" and "$", which begin a URI's fragment and a
# variable of an IAM policy.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html and
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
locals {
  refused_bucket = "^(s3://|arn:[a-z-]+:s3:::)?([^/]*[.][.]|[0-9]+([.][0-9]+){3}(/|$))|/[.][.]?(/|$)|[#$[:cntrl:]]|^.{700}"
  bucket_rule    = "S3 takes no IP address as a bucket's name, and no two periods side by side."
  store_rule     = "${local.bucket_rule} A prefix has none of # $ * ? and no folder named only . or .., and the address has fewer than 700 characters."
}
