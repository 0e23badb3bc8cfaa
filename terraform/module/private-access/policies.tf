# An endpoint's policy grants nothing: it limits which calls pass the endpoint, and the caller's own policies decide the rest. That is why
# these statements allow all actions to all principals of the account.
data "aws_iam_policy_document" "experiments" {
  # A browser in the UI sends a cookie instead of a signature. Such a request has no principal, and the server's session decides.
  statement {
    sid       = "AllowTheseServersToThisAccount"
    actions   = ["sagemaker-mlflow:*"]
    resources = local.tracking_server_arns

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:PrincipalAccount"
      values   = [local.account_id]
    }
  }

  # AWS supports no resource for this action.
  statement {
    sid       = "AllowUIToThisAccount"
    actions   = ["sagemaker-mlflow:AccessUI"]
    resources = ["*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:PrincipalAccount"
      values   = [local.account_id]
    }
  }
}

data "aws_iam_policy_document" "api" {
  # With private DNS, every SageMaker call from the VPC passes this endpoint, such as those of training jobs.
  statement {
    sid       = "AllowThisAccountToThisAccount"
    actions   = ["sagemaker:*"]
    resources = ["*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:ResourceAccount"
      values   = [local.account_id]
    }
  }

  statement {
    sid    = "DenyOtherServers"
    effect = "Deny"
    actions = [
      "sagemaker:CreateMlflowTrackingServer",
      "sagemaker:CreatePresignedMlflowTrackingServerUrl",
      "sagemaker:DeleteMlflowTrackingServer",
      "sagemaker:DescribeMlflowTrackingServer",
      "sagemaker:StartMlflowTrackingServer",
      "sagemaker:StopMlflowTrackingServer",
      "sagemaker:UpdateMlflowTrackingServer",
    ]
    not_resources = local.tracking_server_arns

    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }
}

data "aws_iam_policy_document" "s3" {
  count = var.s3_gateway == null ? 0 : 1

  statement {
    sid     = "AllowTheseBuckets"
    actions = ["s3:*"]
    resources = flatten([
      for bucket in var.s3_gateway.bucket_names : [
        "arn:${local.partition}:s3:::${bucket}",
        "arn:${local.partition}:s3:::${bucket}/*",
      ]
    ])

    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }
}
