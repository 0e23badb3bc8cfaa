# Maximum permissions of the roles that CI creates. Set it as permissions_boundary_arn of the environment.
data "aws_iam_policy_document" "boundary" {
  for_each = local.environments

  # The services of the platform's roles. None of these actions gives rights in IAM.
  statement {
    sid = "AllowServices"
    actions = [
      "application-autoscaling:*",
      "cloudwatch:*",
      "codebuild:*",
      "ec2:*NetworkInterface*",
      "ec2:Describe*",
      "ecr:*",
      "events:PutEvents",
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:GenerateDataKey*",
      "kms:ReEncrypt*",
      "logs:*",
      "s3:*",
      "sagemaker-mlflow:*",
      "sagemaker:*",
      "sns:Publish",
      "sqs:SendMessage",
      "ssm:GetParameter*",
      "states:*",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "AllowPassRoles"
    actions   = ["iam:PassRole"]
    resources = ["${local.iam_arn}:role/${each.value.name}-*"]
  }

  # Roles that CI creates must not pass CI's own roles or read the states.
  statement {
    sid       = "DenyPassRolesOfCI"
    effect    = "Deny"
    actions   = ["iam:PassRole"]
    resources = ["${local.iam_arn}:role/${each.value.name}-ci-*"]
  }

  statement {
    sid       = "DenyUseStates"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = ["arn:${local.partition}:s3:::${var.state_bucket_name}", "arn:${local.partition}:s3:::${var.state_bucket_name}/*"]
  }
}
