locals {
  has_studio = var.studio != null
  name       = "${var.project_name}-${var.environment}"

  # Who has no profile of their own settings gets the lowest level.
  levels     = local.has_studio ? toset(concat(["reader"], values(var.studio.user_profiles))) : toset([])
  role_names = { for level in ["reader", "writer"] : level => "${var.global_name_prefix}${local.name}-studio-${level}" }

  # Indexes, because the ARNs are unknown before the first apply.
  policy_arns = { reader = var.reader_policy_arns, writer = var.writer_policy_arns }
  attachments = merge([
    for level in local.levels : { for index in range(length(local.policy_arns[level])) : "${level}/${index}" => { level = level, index = index } }
  ]...)

  account_id    = data.aws_caller_identity.current.account_id
  partition     = data.aws_partition.current.partition
  region        = split(".", data.aws_region.current.endpoint)[1]
  sagemaker_arn = "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}"
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}
