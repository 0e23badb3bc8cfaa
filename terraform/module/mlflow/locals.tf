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

data "aws_partition" "current" {}

data "aws_region" "current" {}
