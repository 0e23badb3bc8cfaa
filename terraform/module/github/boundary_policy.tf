# Maximum permissions of the roles that CI creates (boundary), and of those that it may attach policies to (client-boundary): neither gives
# rights over roles and policies, and only the second can read the environment's state. Rights are limited to the environment's names where
# AWS allows it.
locals {
  boundaries = merge([
    for name in keys(local.environments) : {
      "${name}/boundary"        = { environment = local.environments[name], reads_state = false }
      "${name}/client-boundary" = { environment = local.environments[name], reads_state = true }
    }
  ]...)
}

data "aws_iam_policy_document" "boundary" {
  for_each = local.boundaries

  # AWS supports no resource for these, or assigns the resource's name; or the resource may be the account's, such as a topic or an image.
  statement {
    sid = "AllowUseSharedServices"
    actions = [
      "application-autoscaling:Describe*",
      "cloudwatch:DescribeAlarms",
      "cloudwatch:PutMetricData",
      "ec2:CreateNetworkInterface*",
      "ec2:DeleteNetworkInterface*",
      "ec2:Describe*",
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetAuthorizationToken",
      "ecr:GetDownloadUrlForLayer",
      "sagemaker-mlflow:AccessUI",
      "sagemaker:Describe*",
      "sagemaker:List*",
      "sns:Publish",
    ]
    resources = ["*"]
  }

  statement {
    sid = "AllowUseNamedServices"
    actions = [
      "cloudwatch:DeleteAlarms",
      "cloudwatch:PutMetricAlarm",
      "cloudwatch:TagResource",
      "codebuild:BatchGetBuilds",
      "codebuild:ListBuildsForProject",
      "codebuild:StartBuild",
      "codebuild:StopBuild",
      "codepipeline:StartPipelineExecution",
      "ecr:*Layer*",
      "ecr:BatchDeleteImage",
      "ecr:DescribeImages",
      "ecr:PutImage",
      "sqs:SendMessage",
      "ssm:GetParameter*",
      "states:StartExecution",
    ]
    resources = concat(
      flatten([for service in ["cloudwatch", "codebuild", "codepipeline", "ecr", "sqs", "states"] : each.value.environment.resources[service]]),
      ["${local.service_arns["cloudwatch"]}:alarm:TargetTracking-endpoint/${each.value.environment.name}-*"],
      each.value.environment.parameter_arns,
      # The path itself, for ssm:GetParametersByPath.
      [for arn in each.value.environment.parameter_arns : trimsuffix(arn, "/*")],
    )
  }

  statement {
    sid     = "AllowWriteLogs"
    actions = ["logs:CreateLog*", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:PutLogEvents"]
    resources = [
      for group in ["codebuild/${each.value.environment.name}-*", "sagemaker/Endpoints/${each.value.environment.name}-*", "sagemaker/ProcessingJobs*", "sagemaker/Tra*Jobs*"] :
      "${local.service_arns["logs"]}:log-group:/aws/${group}"
    ]
  }

  # AWS generates the ARN of a scalable target, so its tags decide. A new target has none.
  statement {
    sid       = "AllowScaleEndpoints"
    actions   = ["application-autoscaling:*"]
    resources = ["${local.service_arns["application-autoscaling"]}:scalable-target/*"]

    dynamic "condition" {
      for_each = each.value.environment.tags

      content {
        test     = "StringEqualsIfExists"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid       = "AllowCreateScalingRole"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["${local.iam_arn}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/*"]
  }

  statement {
    sid       = "AllowUseSageMaker"
    actions   = ["sagemaker:*"]
    resources = ["${local.service_arns["sagemaker"]}:*/${each.value.environment.name}-*"]
  }

  statement {
    sid       = "AllowUseServers"
    actions   = ["sagemaker-mlflow:*"]
    resources = each.value.environment.server_arns
  }

  # SageMaker names the jobs of pipelines, sweeps name their tuning jobs, MLflow names the groups of registered models, and the ids of MLflow Apps are random.
  statement {
    sid = "AllowUseUnnamed"
    actions = [
      "sagemaker:AddTags",
      "sagemaker:CallMlflowAppApi",
      "sagemaker:CreateHyperParameterTuningJob",
      "sagemaker:CreateModelPackage*",
      "sagemaker:CreateProcessingJob",
      "sagemaker:CreateTrainingJob",
      "sagemaker:Stop*ingJob",
      "sagemaker:UpdateMlflowApp",
      "sagemaker:UpdateModelPackage",
    ]
    resources = [
      for kind in ["hyper-parameter-tuning-job/sweep-*", "mlflow-app/*", "model-package-group/*", "model-package/*", "processing-job/pipelines-*", "training-job/pipelines-*"] :
      "${local.service_arns["sagemaker"]}:${kind}"
    ]
  }

  # The id of a Studio domain is random. SageMaker sets these variables for the applications of a profile.
  statement {
    sid       = "AllowUseOwnStudio"
    actions   = ["sagemaker:*Space", "sagemaker:AddTags", "sagemaker:CreateApp", "sagemaker:DeleteApp"]
    resources = [for kind in ["app/&{sagemaker:DomainId}/*/*/*", "space/&{sagemaker:DomainId}/*"] : "${local.service_arns["sagemaker"]}:${kind}"]
  }

  statement {
    sid       = "AllowOpenOwnStudio"
    actions   = ["sagemaker:CreatePresignedDomainUrl"]
    resources = ["${local.service_arns["sagemaker"]}:user-profile/&{sagemaker:DomainId}/&{sagemaker:UserProfileName}"]
  }

  statement {
    sid       = "AllowUseBuckets"
    actions   = ["s3:*"]
    resources = flatten([for arn in each.value.environment.all_bucket_arns : [arn, "${arn}/*"]])
  }

  statement {
    sid       = "AllowUseKeysThroughServices"
    actions   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    condition {
      test     = "StringLike"
      variable = "kms:ViaService"
      values   = ["s3.*", "sns.*", "sqs.*"]
    }
  }

  dynamic "statement" {
    for_each = { for service, actions in local.source_actions : service => actions if anytrue([for arn in each.value.environment.source_arns : split(":", arn)[2] == service]) }

    content {
      sid       = "AllowRead${statement.key == "codecommit" ? "Repository" : statement.key == "codeconnections" ? "Connection" : "FormerConnection"}"
      actions   = statement.value
      resources = [for arn in each.value.environment.source_arns : arn if split(":", arn)[2] == statement.key]
    }
  }

  dynamic "statement" {
    for_each = each.value.reads_state ? [each.value.environment.state_arn] : []

    content {
      sid       = "AllowReadState"
      actions   = ["s3:GetObject", "s3:ListBucket"]
      resources = ["arn:${local.partition}:s3:::${var.state_bucket_name}", statement.value]
    }
  }

  statement {
    sid       = "AllowPassRoles"
    actions   = ["iam:PassRole"]
    resources = ["${each.value.environment.role_arn_stem}-*"]
  }

  # Roles that CI creates must not pass CI's own roles or read the states.
  statement {
    sid       = "DenyPassRolesOfCI"
    effect    = "Deny"
    actions   = ["iam:PassRole"]
    resources = ["${each.value.environment.role_arn_stem}-ci-*"]
  }

  statement {
    sid       = "DenyUseStates"
    effect    = "Deny"
    actions   = each.value.reads_state ? ["s3:Delete*", "s3:Put*"] : ["s3:*"]
    resources = ["arn:${local.partition}:s3:::${var.state_bucket_name}", "arn:${local.partition}:s3:::${var.state_bucket_name}/*"]
  }

  statement {
    sid    = "DenyDeleteData"
    effect = "Deny"
    actions = [
      "ecr:DeleteRepository",
      "s3:DeleteBucket",
      "s3:DeleteBucketPolicy",
      "s3:PutBucketPolicy",
      "s3:PutLifecycleConfiguration",
      "sagemaker:DeleteMlflowApp",
      "sagemaker:DeleteMlflowTrackingServer",
    ]
    resources = ["*"]
  }
}
