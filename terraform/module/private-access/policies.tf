# An endpoint's policy grants nobody anything: it bounds what may pass, and the caller's own policies decide the rest.
# So these say «everybody of this account» where a role's policy must name actions.
data "aws_iam_policy_document" "experiments" {
  # A browser in the UI shows a cookie, not a signature: where there is no principal the server's own session decides.
  statement {
    sid       = "TheseServersByThisAccount"
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

  # The one action of MLflow's that AWS checks for no server in particular.
  statement {
    sid       = "UIByThisAccount"
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
  # Every SageMaker call of the VPC passes here once private DNS is on, training jobs and endpoints too.
  statement {
    sid       = "ThisAccountByThisAccount"
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
    sid    = "NoOtherServers"
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
    sid     = "TheseBuckets"
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
