# What an apply changes in services. It does not delete what holds data: tracking servers, images, buckets, keys and Studio domains. An administrator does.
data "aws_iam_policy_document" "services" {
  for_each = local.environments

  statement {
    sid       = "AllowWriteState"
    actions   = ["s3:PutObject"]
    resources = [each.value.state_arn]
  }

  statement {
    sid = "AllowChangeServices"
    actions = [
      "budgets:ModifyBudget",
      "budgets:TagResource",
      "budgets:UntagResource",
      "cloudwatch:DeleteAlarms",
      "cloudwatch:DeleteDashboards",
      "cloudwatch:PutDashboard",
      "cloudwatch:PutMetricAlarm",
      "cloudwatch:TagResource",
      "cloudwatch:UntagResource",
      "codebuild:CreateProject",
      "codebuild:DeleteProject",
      "codebuild:UpdateProject",
      "ecr:CreateRepository",
      "ecr:DeleteLifecyclePolicy",
      "ecr:PutImageScanningConfiguration",
      "ecr:PutLifecyclePolicy",
      "ecr:TagResource",
      "ecr:UntagResource",
      "events:DeleteRule",
      "events:PutRule",
      "events:PutTargets",
      "events:RemoveTargets",
      "events:TagResource",
      "events:UntagResource",
      "logs:CreateLogGroup",
      "logs:DeleteLogGroup",
      "logs:DeleteRetentionPolicy",
      "logs:PutRetentionPolicy",
      "logs:TagResource",
      "logs:UntagResource",
      "sagemaker:AddTags",
      "sagemaker:CreateMlflowTrackingServer",
      "sagemaker:CreateModelPackageGroup",
      "sagemaker:DeleteModelPackageGroup*",
      "sagemaker:DeleteTags",
      "sagemaker:PutModelPackageGroupPolicy",
      "sagemaker:StartMlflowTrackingServer",
      "sagemaker:StopMlflowTrackingServer",
      "sagemaker:UpdateMlflowTrackingServer",
      "scheduler:CreateSchedule",
      "scheduler:CreateScheduleGroup",
      "scheduler:DeleteSchedule",
      "scheduler:DeleteScheduleGroup",
      "scheduler:TagResource",
      "scheduler:UntagResource",
      "scheduler:UpdateSchedule",
      "sns:CreateTopic",
      "sns:DeleteTopic",
      "sns:SetTopicAttributes",
      "sns:Subscribe",
      "sns:TagResource",
      "sns:UntagResource",
      "sqs:CreateQueue",
      "sqs:DeleteQueue",
      "sqs:SetQueueAttributes",
      "sqs:TagQueue",
      "sqs:UntagQueue",
      "ssm:AddTagsToResource",
      "ssm:DeleteParameter",
      "ssm:PutParameter",
      "ssm:RemoveTagsFromResource",
      "states:CreateStateMachine",
      "states:DeleteStateMachine",
      "states:TagResource",
      "states:UntagResource",
      "states:UpdateStateMachine",
    ]
    resources = concat(
      flatten(values(each.value.resources)),
      each.value.server_arns,
      each.value.group_arns,
      each.value.parameter_arns,
      each.value.budget_arns,
      each.value.dashboard_arns,
    )
  }

  # The id of a Studio domain is random, so its tags decide. The domain itself holds the users' files.
  statement {
    sid       = "AllowCreateDomains"
    actions   = ["sagemaker:CreateDomain", "sagemaker:CreateUserProfile"]
    resources = local.studio_arns

    dynamic "condition" {
      for_each = each.value.tags

      content {
        test     = "StringEquals"
        variable = "aws:RequestTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  # Anyone who can tag any domain can make it one of this environment, so this allows only the tags of a new domain.
  statement {
    sid       = "AllowTagNewDomains"
    actions   = ["sagemaker:AddTags"]
    resources = local.studio_arns

    condition {
      test     = "StringEquals"
      variable = "sagemaker:TaggingAction"
      values   = ["CreateDomain", "CreateUserProfile"]
    }
  }

  statement {
    sid       = "AllowChangeDomains"
    actions   = ["sagemaker:AddTags", "sagemaker:DeleteTags", "sagemaker:DeleteUserProfile", "sagemaker:UpdateDomain", "sagemaker:UpdateUserProfile"]
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

  # SageMaker connects domains to their VPCs with this role, which it creates once in an account.
  statement {
    sid       = "AllowCreateStudioRole"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["${local.iam_arn}:role/aws-service-role/sagemaker.amazonaws.com/AWSServiceRoleForAmazonSageMakerNotebooks"]
  }

  # A subscription's ARN is the topic's with an id that AWS assigns, but AWS supports no resource for this action.
  statement {
    sid       = "AllowUnsubscribe"
    actions   = ["sns:Unsubscribe"]
    resources = ["*"]
  }
}
