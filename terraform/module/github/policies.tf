resource "aws_iam_policy" "ci" {
  # Static keys: the documents are known only after apply if their inputs are.
  for_each = toset(flatten([for name in keys(local.environments) : [for purpose in keys(local.purposes) : "${name}/${purpose}"]]))

  name        = "${local.environments[split("/", each.key)[0]].global_name}-ci-${split("/", each.key)[1]}"
  path        = var.iam_path
  description = "GitHub, ${local.environments[split("/", each.key)[0]].name}: ${local.purposes[split("/", each.key)[1]]}"
  policy      = local.documents[each.key]
  tags        = var.tags

  lifecycle {
    precondition {
      condition     = length(replace(local.documents[each.key], "/\\s/", "")) <= local.managed_policy_limit
      error_message = "Policy ${each.key} would have ${length(replace(local.documents[each.key], "/\\s/", ""))} characters, and IAM allows ${local.managed_policy_limit}: shorten project_name or the environment's name, or name fewer buckets and roles."
    }
  }
}

resource "aws_iam_role_policy_attachment" "ci" {
  for_each = local.attachments

  role       = aws_iam_role.ci[each.value.role].name
  policy_arn = aws_iam_policy.ci[each.value.policy].arn
}
