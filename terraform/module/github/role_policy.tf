# What an apply changes in roles. Anyone who can write a role's policy can give it any right, so CI writes only policies of roles that have
# the boundary, and not those of its own roles. It can write any content as a policy of the environment, so it attaches those only to roles
# with a boundary too.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate
data "aws_iam_policy_document" "roles" {
  for_each = local.environments

  statement {
    sid       = "AllowGiveRightsWithinBoundary"
    actions   = ["iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"]
    resources = ["${each.value.role_arn_stem}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [each.value.boundary_arn]
    }
  }

  statement {
    sid = "AllowChangeRoles"
    actions = [
      "iam:DeleteRole",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:TagRole",
      "iam:UntagRole",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole",
      "iam:UpdateRoleDescription",
    ]
    resources = ["${each.value.role_arn_stem}-*"]
  }

  statement {
    sid = "AllowChangePolicies"
    actions = [
      "iam:CreatePolicy",
      "iam:CreatePolicyVersion",
      "iam:DeletePolicy",
      "iam:DeletePolicyVersion",
      "iam:TagPolicy",
      "iam:UntagPolicy",
    ]
    resources = ["${each.value.policy_arn_stem}-*"]
  }

  # Readers, writers and admins of MLflow have their rights through these policies.
  statement {
    sid       = "AllowAttachToClients"
    actions   = ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
    resources = each.value.client_role_arns

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [each.value.client_boundary_arn]
    }

    condition {
      test     = "ArnLike"
      variable = "iam:PolicyARN"
      values   = [for part in ["image-pusher", "mlflow-*", "pipeline-runner"] : "${each.value.policy_arn_stem}-${part}"]
    }
  }

  statement {
    sid       = "AllowPassRoles"
    actions   = ["iam:PassRole"]
    resources = ["${each.value.role_arn_stem}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = [for service in ["codebuild", "events", "s3", "sagemaker", "scheduler", "states"] : "${service}.amazonaws.com"]
    }
  }

  statement {
    sid    = "DenyChangeOwnRoles"
    effect = "Deny"
    actions = [
      "iam:CreateRole",
      "iam:DeleteRole",
      "iam:DeleteRolePolicy",
      "iam:PassRole",
      "iam:PutRolePermissionsBoundary",
      "iam:PutRolePolicy",
      "iam:UpdateAssumeRolePolicy",
    ]
    resources = ["${each.value.role_arn_stem}-ci-*"]
  }

  statement {
    sid       = "DenyAttachToOwnRoles"
    effect    = "Deny"
    actions   = ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
    resources = [for role in ["plan", "apply"] : "${each.value.role_arn_stem}-ci-${role}"]
  }

  statement {
    sid       = "DenyChangeOwnPolicies"
    effect    = "Deny"
    actions   = ["iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion"]
    resources = ["${each.value.policy_arn_stem}-ci-*"]
  }
}
