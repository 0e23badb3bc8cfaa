# Permissions to deploy models, in addition to those for MLflow and the artifacts.
# The mlflow module makes a policy of this document for writers and admins.
locals {
  # A model package's ARN is model-package/GROUP/VERSION. A package has the tags of its group.
  deployed = [for kind in ["model", "endpoint-config", "endpoint", "model-package-group", "model-package", "transform-job"] :
    "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:${kind}/${local.name}-*"
  ]
}

data "aws_iam_policy_document" "deployment" {
  # The name of another environment may begin with this one's, such as staging and staging-2, so resources with its tags are excluded.
  # IfExists, because other tools that deploy here set no tags.
  statement {
    sid = "AllowDeployModels"
    actions = [
      "sagemaker:AddTags",
      "sagemaker:CreateEndpoint",
      "sagemaker:CreateEndpointConfig",
      "sagemaker:CreateModel",
      "sagemaker:CreateModelPackage",
      "sagemaker:CreateModelPackageGroup",
      "sagemaker:CreateTransformJob",
      "sagemaker:DeleteEndpoint",
      "sagemaker:DeleteEndpointConfig",
      "sagemaker:DeleteModel",
      "sagemaker:DeleteTags",
      "sagemaker:StopTransformJob",
      "sagemaker:UpdateEndpoint",
      "sagemaker:UpdateEndpointWeightsAndCapacities",
      "sagemaker:UpdateModelPackage",
    ]
    resources = local.deployed

    dynamic "condition" {
      for_each = { project = var.project_name, environment = var.environment }

      content {
        test     = "StringEqualsIfExists"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }

    dynamic "condition" {
      for_each = { project = var.project_name, environment = var.environment }

      content {
        test     = "StringEqualsIfExists"
        variable = "aws:RequestTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid = "AllowUseModels"
    actions = [
      "sagemaker:DescribeEndpoint",
      "sagemaker:DescribeEndpointConfig",
      "sagemaker:DescribeModel",
      "sagemaker:DescribeModelPackage",
      "sagemaker:DescribeModelPackageGroup",
      "sagemaker:DescribeTransformJob",
      "sagemaker:InvokeEndpoint",
      "sagemaker:InvokeEndpointAsync",
      "sagemaker:ListModelPackages",
      "sagemaker:ListTags",
    ]
    resources = local.deployed
  }

  statement {
    sid       = "AllowFindImages"
    actions   = ["ecr:DescribeImages"]
    resources = [local.image_repository_arn]
  }

  # AWS supports no resource for these actions.
  statement {
    sid       = "AllowFindModels"
    actions   = ["application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingPolicies", "sagemaker:ListEndpointConfigs", "sagemaker:ListEndpoints", "sagemaker:ListModels"]
    resources = ["*"]
  }

  # The alarms that roll an update back. They are named after the endpoint.
  statement {
    sid       = "AllowManageRollbackAlarms"
    actions   = ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"]
    resources = [for prefix in ["", "TargetTracking-endpoint/"] : "arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:${prefix}${local.name}-*"]
  }

  # A target's ARN is made by AWS. Registering an endpoint also requires UpdateEndpointWeightsAndCapacities on it.
  # https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html
  statement {
    sid = "AllowScaleEndpoints"
    actions = [
      "application-autoscaling:DeleteScalingPolicy",
      "application-autoscaling:DeregisterScalableTarget",
      "application-autoscaling:PutScalingPolicy",
      "application-autoscaling:RegisterScalableTarget",
    ]
    resources = ["arn:${local.partition}:application-autoscaling:${local.region}:${local.account_id}:scalable-target/*"]

    condition {
      test     = "StringEquals"
      variable = "application-autoscaling:service-namespace"
      values   = ["sagemaker"]
    }

    dynamic "condition" {
      for_each = { project = var.project_name, environment = var.environment }

      content {
        test     = "StringEqualsIfExists"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid       = "AllowTagScaling"
    actions   = ["application-autoscaling:TagResource"]
    resources = ["arn:${local.partition}:application-autoscaling:${local.region}:${local.account_id}:scalable-target/*"]

    dynamic "condition" {
      for_each = { project = var.project_name, environment = var.environment }

      content {
        test     = "StringEquals"
        variable = "aws:RequestTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  # Application Auto Scaling changes the number of instances with this role, which it creates once in an account.
  statement {
    sid       = "AllowCreateScalingRole"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["arn:${local.partition}:iam::${local.account_id}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"]
  }

  # Finding alarms by the beginning of their names requires permission for all of them.
  statement {
    sid       = "AllowFindAlarms"
    actions   = ["cloudwatch:DescribeAlarms"]
    resources = ["*"]
  }

  # A model version's tag that names its endpoint is removed when the endpoint no longer serves the version.
  statement {
    sid     = "AllowRemoveEndpointTags"
    actions = ["sagemaker-mlflow:DeleteModelVersionTag"]
    resources = [
      for name in distinct(concat(["${local.name}-*"], [for name in compact([try(var.tracking_server.name, null)]) : name if !startswith(name, "${local.name}-")])) :
      "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:mlflow-tracking-server/${name}"
    ]
  }

  statement {
    sid       = "AllowPassEndpointRole"
    actions   = ["iam:PassRole"]
    resources = ["arn:${local.partition}:iam::${local.account_id}:role${var.iam_path}${local.role_name}"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["sagemaker.amazonaws.com"]
    }
  }

  statement {
    sid     = "AllowReadEndpointLogs"
    actions = ["logs:DescribeLogStreams", "logs:GetLogEvents"]
    resources = [
      "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/sagemaker/Endpoints/${local.name}-*",
      "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/sagemaker/TransformJobs",
      "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/sagemaker/TransformJobs:log-stream:${local.name}-*",
    ]
  }

  # The copies of models that endpoints are created from. The scripts delete those that are no longer deployed.
  statement {
    sid       = "AllowReplaceArchives"
    actions   = ["s3:DeleteObject", "s3:PutObjectTagging"]
    resources = ["arn:${local.partition}:s3:::${local.artifact_path}/endpoints/${local.name}-*"]
  }

  # Serverless variants name no instance type and pass.
  dynamic "statement" {
    for_each = length(var.allowed_instance_types) == 0 ? [] : [var.allowed_instance_types]

    content {
      sid       = "DenyOtherInstanceTypes"
      effect    = "Deny"
      actions   = ["sagemaker:CreateEndpointConfig", "sagemaker:CreateTransformJob"]
      resources = ["*"]

      condition {
        test     = "ForAnyValue:StringNotLike"
        variable = "sagemaker:InstanceTypes"
        values   = statement.value
      }
    }
  }
}
