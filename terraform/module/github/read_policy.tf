# What a plan needs: the settings of everything that Terraform manages, and the state. Not the artifacts.
data "aws_iam_policy_document" "read" {
  for_each = local.environments

  # https://developer.hashicorp.com/terraform/language/backend/s3#permissions-required
  statement {
    sid       = "AllowListStates"
    actions   = ["s3:ListBucket"]
    resources = ["arn:${local.partition}:s3:::${var.state_bucket_name}"]
  }

  statement {
    sid       = "AllowReadState"
    actions   = ["s3:GetObject"]
    resources = [each.value.state_arn]
  }

  statement {
    sid       = "AllowLockState"
    actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${each.value.state_arn}.tflock"]
  }

  dynamic "statement" {
    for_each = compact([var.state_kms_key_arn])

    content {
      sid       = "AllowUseStateKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.s3_via_service
      }
    }
  }

  # AWS supports no resource for these, or lists everything to find one thing.
  statement {
    sid = "AllowFind"
    actions = [
      "cloudtrail:DescribeTrails",
      "iam:ListRoles",
      "kms:ListAliases",
      "logs:DescribeLogGroups",
      "sns:GetSubscriptionAttributes",
      "ssm:DescribeParameters",
      "states:ValidateStateMachineDefinition",
    ]
    resources = ["*"]
  }

  statement {
    sid = "AllowReadBucketSettings"
    actions = [
      "s3:GetAccelerateConfiguration",
      "s3:GetBucket*",
      "s3:GetEncryptionConfiguration",
      "s3:GetLifecycleConfiguration",
      "s3:GetReplicationConfiguration",
      "s3:ListBucket",
    ]
    resources = concat(each.value.bucket_arns, each.value.delivery_bucket_arns)
  }

  statement {
    sid       = "AllowReadTools"
    actions   = ["s3:GetObject", "s3:GetObjectTagging"]
    resources = each.value.tool_arns
  }

  statement {
    sid       = "AllowReadKeys"
    actions   = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"]
    resources = local.key_arns

    dynamic "condition" {
      for_each = each.value.tags

      content {
        test     = "StringEquals"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid       = "AllowDecryptTools"
    actions   = ["kms:Decrypt"]
    resources = local.key_arns

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = local.s3_via_service
    }

    dynamic "condition" {
      for_each = each.value.tags

      content {
        test     = "StringEquals"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid = "AllowReadRolesAndPolicies"
    actions = [
      "iam:GetPolicy",
      "iam:GetPolicyVersion",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListInstanceProfilesForRole",
      "iam:ListPolicyVersions",
      "iam:ListRolePolicies",
    ]
    resources = concat(["${each.value.role_arn_stem}-*", "${each.value.policy_arn_stem}-*"], each.value.client_role_arns)
  }

  statement {
    sid = "AllowReadServices"
    actions = [
      "budgets:ListTagsForResource",
      "budgets:ViewBudget",
      "cloudformation:DescribeStacks",
      "cloudformation:GetStackPolicy",
      "cloudformation:GetTemplate",
      "cloudtrail:GetEventSelectors",
      "cloudtrail:GetTrailStatus",
      "cloudtrail:ListTags",
      "cloudwatch:DescribeAlarms",
      "cloudwatch:GetDashboard",
      "cloudwatch:ListTagsForResource",
      "codebuild:BatchGetProjects",
      "codepipeline:GetPipeline",
      "codepipeline:ListTagsForResource",
      "ecr:DescribeRepositories",
      "ecr:GetLifecyclePolicy",
      "ecr:ListTagsForResource",
      "events:DescribeRule",
      "events:ListTagsForResource",
      "events:ListTargetsByRule",
      "logs:ListTagsForResource",
      "sagemaker:DescribeMlflowTrackingServer",
      "sagemaker:DescribeModelPackageGroup",
      "sagemaker:GetModelPackageGroupPolicy",
      "sagemaker:ListTags",
      "scheduler:GetSchedule",
      "scheduler:GetScheduleGroup",
      "scheduler:ListTagsForResource",
      "sns:GetTopicAttributes",
      "sns:ListTagsForResource",
      "sqs:GetQueueAttributes",
      "sqs:ListQueueTags",
      "ssm:GetParameter",
      "ssm:ListTagsForResource",
      "states:DescribeStateMachine",
      "states:ListStateMachineVersions",
      "states:ListTagsForResource",
    ]
    resources = concat(
      flatten(values(each.value.resources)),
      each.value.server_arns,
      each.value.group_arns,
      each.value.stack_arns,
      each.value.trail_arns,
      each.value.parameter_arns,
      each.value.budget_arns,
      each.value.dashboard_arns,
    )
  }

  # A deleted domain or profile has no tags. Without this right, AWS would not say that it is deleted.
  statement {
    sid       = "AllowReadDomains"
    actions   = ["sagemaker:DescribeDomain", "sagemaker:DescribeUserProfile"]
    resources = local.studio_arns

    dynamic "condition" {
      for_each = each.value.tags

      content {
        test     = "StringEqualsIfExists"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid       = "AllowReadTagsOfDomains"
    actions   = ["sagemaker:ListTags"]
    resources = local.studio_arns

    dynamic "condition" {
      for_each = each.value.tags

      content {
        test     = "StringEquals"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }
}
