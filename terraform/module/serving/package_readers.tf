# The groups of SageMaker's Model Registry that other accounts may read. `promote.py` pushes a registered model's versions to the group
# PROJECT-ENVIRONMENT-MODEL, and uses a group that exists, if it has the environment's tags.
locals {
  shared_groups = { for model in keys(var.model_package_readers) : model => "${local.name}-${model}" }
  package_readers = {
    for model, accounts in var.model_package_readers :
    model => [for account in sort(tolist(accounts)) : "arn:${local.partition}:iam::${account}:root"]
  }
}

resource "aws_sagemaker_model_package_group" "shared" {
  for_each = var.model_package_readers

  model_package_group_name        = local.shared_groups[each.key]
  model_package_group_description = "Promoted models of ${var.environment}"
  tags                            = merge(var.tags, { project = var.project_name, environment = var.environment })

  lifecycle {
    precondition {
      condition     = length(local.shared_groups[each.key]) <= 63
      error_message = "The package group of the model \"${each.key}\" in model_package_readers would be named \"${local.shared_groups[each.key]}\", which is ${length(local.shared_groups[each.key])} characters long, and SageMaker allows 63: register the model under a shorter name."
    }

    precondition {
      condition     = !contains(each.value, local.account_id)
      error_message = "model_package_readers names this account (${local.account_id}) for the model \"${each.key}\": its own roles read the registry with their IAM policies. Name other accounts only."
    }
  }
}

resource "aws_sagemaker_model_package_group_policy" "readers" {
  for_each = var.model_package_readers

  model_package_group_name = aws_sagemaker_model_package_group.shared[each.key].model_package_group_name
  resource_policy          = data.aws_iam_policy_document.package_readers[each.key].json
}

# What AWS's example of a shared group allows, without the rights to change and to deploy packages. An administrator of the other account
# must allow the actions to its roles, too.
# https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-deploy-xaccount.html
data "aws_iam_policy_document" "package_readers" {
  for_each = var.model_package_readers

  statement {
    sid       = "AllowReadGroup"
    actions   = ["sagemaker:DescribeModelPackageGroup", "sagemaker:ListModelPackages"]
    resources = ["arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:model-package-group/${local.shared_groups[each.key]}"]

    principals {
      type        = "AWS"
      identifiers = local.package_readers[each.key]
    }
  }

  statement {
    sid       = "AllowReadPackages"
    actions   = ["sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"]
    resources = ["arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:model-package/${local.shared_groups[each.key]}/*"]

    principals {
      type        = "AWS"
      identifiers = local.package_readers[each.key]
    }
  }
}
