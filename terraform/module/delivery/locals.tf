locals {
  has_delivery = var.delivery != null
  name         = "${var.project_name}-${var.environment}"
  prefix       = "${local.name}-delivery"
  role_prefix  = "${var.global_name_prefix}${local.prefix}"

  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = split(".", data.aws_region.current.endpoint)[1]

  # The ARNs without references to the resources, so that the plan shows the real policies.
  pipeline_arn = "arn:${local.partition}:codepipeline:${local.region}:${local.account_id}:${local.prefix}"
  projects     = local.has_delivery ? { for kind in ["train", "deploy", "approved"] : kind => "${local.prefix}-${kind}" } : {}
  project_arns = { for kind, project in local.projects : kind => "arn:${local.partition}:codebuild:${local.region}:${local.account_id}:project/${project}" }
  log_groups   = { for kind, project in local.projects : kind => "/aws/codebuild/${project}" }
  log_arns     = { for kind, group in local.log_groups : kind => "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:${group}:*" }

  bucket_name = "${lower(replace(var.global_name_prefix, "_", "-"))}${local.prefix}-${local.account_id}"
  bucket_arn  = "arn:${local.partition}:s3:::${local.bucket_name}"

  # One of the two is set: the variable's validation says so.
  codecommit     = try(var.delivery.source.codecommit_repository, null)
  connection_arn = try(var.delivery.source.connection_arn, null)
  github         = try(var.delivery.source.repository, null)
  branch         = try(var.delivery.source.branch, "main")
  codecommit_arn = local.codecommit == null ? null : "arn:${local.partition}:codecommit:${local.region}:${local.account_id}:${local.codecommit}"

  model_name         = try(var.delivery.model_name, "")
  package_group_name = "${local.name}-${local.model_name}"
  has_topic          = local.has_delivery && var.notify

  # kms:ViaService; in AWS China with the suffix of its partition.
  via_service = {
    for service in ["s3", "sns"] : service => distinct([for suffix in ["amazonaws.com", data.aws_partition.current.dns_suffix] : "${service}.${local.region}.${suffix}"])
  }
}

# Names that the patterns of the inputs let pass, and that Git refuses for a branch. https://git-scm.com/docs/git-check-ref-format
locals {
  refused_branch = "^[/.-]|^refs/|[.]{2}|//|/[.]|[/.]$|[.]lock(/|$)"
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}
