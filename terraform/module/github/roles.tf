# For each environment three roles. A workflow can assume a role only with the subject that GitHub gives to its job.
resource "aws_iam_role" "ci" {
  for_each = local.roles

  name                 = each.value.name
  path                 = var.iam_path
  description          = each.value.description
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  permissions_boundary = each.value.boundary
  max_session_duration = each.value.session
  tags                 = var.tags

  # The trust policy and the boundary are named by ARNs that the plan can show.
  depends_on = [aws_iam_openid_connect_provider.github, aws_iam_policy.ci]

  lifecycle {
    precondition {
      condition     = length(each.value.name) <= 64
      error_message = "The role would be named \"${each.value.name}\", which is ${length(each.value.name)} characters long, and IAM allows 64: shorten project_name or the environment's name by ${max(0, length(each.value.name) - 64)}."
    }
  }
}

# StringEquals on the whole subject: a pattern would also match other branches, pull requests or repositories.
# https://docs.github.com/actions/security-for-github-actions/security-hardening-your-deployments/configuring-openid-connect-in-amazon-web-services
data "aws_iam_policy_document" "trust" {
  for_each = local.roles

  statement {
    sid     = "GitHubRepository"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = [local.audience]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = [for subject in each.value.subjects : "repo:${var.repository}:${subject}"]
    }
  }
}
