# The roles of the pipeline, of its builds, and of the rules that start them. None can change what another one runs.
locals {
  builds = local.has_delivery ? { train = ["train"], deploy = ["deploy", "approved"] } : {}
}

resource "aws_iam_role" "pipeline" {
  count = local.has_delivery ? 1 : 0

  name                  = "${local.role_prefix}-pipeline"
  path                  = var.iam_path
  description           = "Copies commits and starts the builds of ${local.prefix}"
  assume_role_policy    = data.aws_iam_policy_document.pipeline_trust.json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags

  lifecycle {
    precondition {
      condition     = length("${local.role_prefix}-pipeline") <= 64
      error_message = "The role of the pipeline would be named \"${local.role_prefix}-pipeline\", and IAM allows 64 characters: shorten project_name or environment by ${max(0, length("${local.role_prefix}-pipeline") - 64)}."
    }
    precondition {
      condition     = var.can_train
      error_message = "delivery needs the training pipeline: set training_pipeline too, at least to {}."
    }
    precondition {
      condition     = !var.notify || var.notification_topic_arn != null
      error_message = "notify is true, but there is no notification_topic_arn."
    }
  }
}

# https://docs.aws.amazon.com/codepipeline/latest/userguide/cross-service-confused-deputy-prevention.html
data "aws_iam_policy_document" "pipeline_trust" {
  statement {
    sid     = "CodePipelineForThisPipeline"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["codepipeline.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.pipeline_arn]
    }
  }
}

resource "aws_iam_role_policy" "pipeline" {
  count = local.has_delivery ? 1 : 0

  name   = "RunPipeline"
  role   = aws_iam_role.pipeline[0].name
  policy = data.aws_iam_policy_document.pipeline[0].json
}

# One role for both builds of deployments, one for the build that trains.
resource "aws_iam_role" "build" {
  for_each = local.builds

  name                  = "${local.role_prefix}-${each.key}"
  path                  = var.iam_path
  description           = "Builds of ${local.prefix}: ${join(" and ", each.value)}"
  assume_role_policy    = data.aws_iam_policy_document.build_trust[each.key].json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags
}

# https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
data "aws_iam_policy_document" "build_trust" {
  for_each = local.builds

  statement {
    sid     = "CodeBuildForTheseProjects"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["codebuild.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [for kind in each.value : local.project_arns[kind]]
    }
  }
}

resource "aws_iam_role_policy" "build" {
  for_each = local.builds

  name   = "RunBuilds"
  role   = aws_iam_role.build[each.key].name
  policy = data.aws_iam_policy_document.build[each.key].json
}

resource "aws_iam_role_policy_attachment" "train" {
  for_each = local.has_delivery && var.can_train ? { tracking = var.tracking_policy_arn, runner = var.runner_policy_arn } : {}

  role       = aws_iam_role.build["train"].name
  policy_arn = each.value
}

resource "aws_iam_role_policy_attachment" "deploy" {
  count = local.has_delivery ? length(var.deployer_policy_arns) : 0

  role       = aws_iam_role.build["deploy"].name
  policy_arn = var.deployer_policy_arns[count.index]
}

# EventBridge starts the pipeline after a push to CodeCommit, and the deployment of an approved package.
resource "aws_iam_role" "events" {
  count = local.has_delivery ? 1 : 0

  name                  = "${local.role_prefix}-events"
  path                  = var.iam_path
  description           = "Starts ${local.prefix} after events"
  assume_role_policy    = data.aws_iam_policy_document.events_trust.json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags
}

# https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html
data "aws_iam_policy_document" "events_trust" {
  statement {
    sid     = "EventBridgeForTheseRules"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [for kind in ["approved", "pushed"] : "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/${local.prefix}-${kind}"]
    }
  }
}

resource "aws_iam_role_policy" "events" {
  count = local.has_delivery ? 1 : 0

  name   = "StartDelivery"
  role   = aws_iam_role.events[0].name
  policy = data.aws_iam_policy_document.events[0].json
}

data "aws_default_tags" "current" {
  lifecycle {
    postcondition {
      condition     = length(setunion(keys(var.tags), keys(self.tags))) <= 50
      error_message = "tags and the provider's default_tags have ${length(setunion(keys(var.tags), keys(self.tags)))} keys together, and AWS allows 50 tags on a resource. Remove some."
    }

    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules_creating
    postcondition {
      condition     = length(distinct([for key in setunion(keys(var.tags), keys(self.tags)) : lower(key)])) == length(setunion(keys(var.tags), keys(self.tags)))
      error_message = "tags and the provider's default_tags have keys that differ only in case, such as Project and project, and IAM allows only one of them: ${join(", ", setunion(keys(var.tags), keys(self.tags)))}. Use the same case."
    }
  }
}
