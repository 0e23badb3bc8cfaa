# The roles of the users' applications, one for each level. They have the environment's own policies, and what Studio needs beside them.
resource "aws_iam_role" "studio" {
  for_each = local.levels

  name                  = local.role_names[each.key]
  path                  = var.iam_path
  description           = "SageMaker Studio of ${local.name}: applications of ${each.key}s"
  assume_role_policy    = data.aws_iam_policy_document.trust.json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags

  lifecycle {
    precondition {
      condition     = length(local.role_names[each.key]) <= 64
      error_message = "The role of Studio's ${each.key}s would be named \"${local.role_names[each.key]}\", which is ${length(local.role_names[each.key])} characters long, and IAM allows 64: shorten project_name or environment by ${max(0, length(local.role_names[each.key]) - 64)}."
    }
  }
}

# https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "SageMakerOfThisAccount"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.sagemaker_arn}:*"]
    }
  }
}

resource "aws_iam_role_policy_attachment" "client" {
  for_each = local.attachments

  role       = aws_iam_role.studio[each.value.level].name
  policy_arn = local.policy_arns[each.value.level][each.value.index]
}

resource "aws_iam_role_policy_attachment" "runner" {
  count = var.can_train && contains(local.levels, "writer") ? 1 : 0

  role       = aws_iam_role.studio["writer"].name
  policy_arn = var.runner_policy_arn
}

resource "aws_iam_role_policy" "studio" {
  for_each = local.levels

  name   = "UseStudio"
  role   = aws_iam_role.studio[each.key].name
  policy = data.aws_iam_policy_document.studio[each.key].json
}

# SageMaker sets `sagemaker:DomainId` and `sagemaker:UserProfileName` for the applications of a profile, so users of one role cannot use
# each other's spaces: https://docs.aws.amazon.com/sagemaker/latest/dg/studio-updated-spaces-access.html and the managed policy
# AmazonSageMakerFullAccess.
data "aws_iam_policy_document" "studio" {
  for_each = local.levels

  # AWS supports no resource for these actions.
  statement {
    sid       = "AllowListStudio"
    actions   = ["sagemaker:ListApps", "sagemaker:ListDomains", "sagemaker:ListSpaces", "sagemaker:ListUserProfiles"]
    resources = ["*"]
  }

  statement {
    sid       = "AllowDescribeStudio"
    actions   = ["sagemaker:DescribeApp", "sagemaker:DescribeDomain", "sagemaker:DescribeSpace", "sagemaker:DescribeUserProfile"]
    resources = [for resource in ["app/*/*/*/*", "domain/*", "space/*/*", "user-profile/*/*"] : "${local.sagemaker_arn}:${resource}"]
  }

  statement {
    sid       = "AllowOpenOwnProfile"
    actions   = ["sagemaker:CreatePresignedDomainUrl"]
    resources = ["${local.sagemaker_arn}:user-profile/&{sagemaker:DomainId}/&{sagemaker:UserProfileName}"]
  }

  statement {
    sid       = "AllowUseOwnSpaces"
    actions   = ["sagemaker:CreateApp", "sagemaker:CreateSpace", "sagemaker:DeleteApp", "sagemaker:DeleteSpace", "sagemaker:UpdateSpace"]
    resources = [for resource in ["app/&{sagemaker:DomainId}/*/*/*", "space/&{sagemaker:DomainId}/*"] : "${local.sagemaker_arn}:${resource}"]

    condition {
      test     = "ArnLike"
      variable = "sagemaker:OwnerUserProfileArn"
      values   = ["${local.sagemaker_arn}:user-profile/&{sagemaker:DomainId}/&{sagemaker:UserProfileName}"]
    }

    condition {
      test     = "StringEquals"
      variable = "sagemaker:SpaceSharingType"
      values   = ["Private"]
    }
  }

  # Studio tags what it creates.
  statement {
    sid       = "AllowTagNewResources"
    actions   = ["sagemaker:AddTags"]
    resources = [for resource in ["app/&{sagemaker:DomainId}/*/*/*", "space/&{sagemaker:DomainId}/*"] : "${local.sagemaker_arn}:${resource}"]

    condition {
      test     = "StringEquals"
      variable = "sagemaker:TaggingAction"
      values   = ["CreateApp", "CreateSpace"]
    }
  }

  # Training jobs from a notebook. They run with the training pipeline's role, which the runner's policy lets users pass.
  dynamic "statement" {
    for_each = var.can_train && each.key == "writer" ? [true] : []

    content {
      sid       = "AllowTrain"
      actions   = ["sagemaker:AddTags", "sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"]
      resources = ["${local.sagemaker_arn}:training-job/${local.name}-*"]
    }
  }
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
