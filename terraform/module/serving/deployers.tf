# What deploying takes beside MLflow and the artifacts, as a document that the mlflow module's writer and admin policies
# take in: what an endpoint needs is known here, who may make one is said there.
locals {
  deployed = [for kind in ["model", "endpoint-config", "endpoint"] :
    "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:${kind}/${local.name}-*"
  ]
}

data "aws_iam_policy_document" "deployment" {
  # Another environment's name may begin with this one's, as staging-2 with staging: what is tagged for it is left
  # alone. IfExists, since other tools that deploy here set no tags, and a description has none to compare.
  statement {
    sid = "DeployModels"
    actions = [
      "sagemaker:AddTags",
      "sagemaker:CreateEndpoint",
      "sagemaker:CreateEndpointConfig",
      "sagemaker:CreateModel",
      "sagemaker:DeleteEndpoint",
      "sagemaker:DeleteEndpointConfig",
      "sagemaker:DeleteModel",
      "sagemaker:DeleteTags",
      "sagemaker:UpdateEndpoint",
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
    sid = "UseModels"
    actions = [
      "sagemaker:DescribeEndpoint",
      "sagemaker:DescribeEndpointConfig",
      "sagemaker:DescribeModel",
      "sagemaker:InvokeEndpoint",
      "sagemaker:ListTags",
    ]
    resources = local.deployed
  }

  # AWS offers no resource to name here.
  statement {
    sid       = "FindModels"
    actions   = ["sagemaker:ListEndpointConfigs", "sagemaker:ListModels"]
    resources = ["*"]
  }

  statement {
    sid       = "GiveEndpointsTheirRole"
    actions   = ["iam:PassRole"]
    resources = ["arn:${local.partition}:iam::${local.account_id}:role/${local.role_name}"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["sagemaker.amazonaws.com"]
    }
  }

  statement {
    sid       = "ReadEndpointLogs"
    actions   = ["logs:DescribeLogStreams", "logs:GetLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/sagemaker/Endpoints/${local.name}-*"]
  }

  # The archives that endpoints are made from, copies of models: what is deployed no more is removed with its tags.
  statement {
    sid       = "ReplaceArchives"
    actions   = ["s3:DeleteObject", "s3:PutObjectTagging"]
    resources = ["arn:${local.partition}:s3:::${local.artifact_path}/endpoints/${local.name}-*"]
  }
}
