# Roles that may not delete what holds the runs. A tracking server or an App has no deletion protection of its own and no resource policy, and
# Terraform's prevent_destroy cannot be an input: docs/adr/0009-deletion-protection-by-iam.md.
resource "aws_iam_policy" "deletion_protection" {
  count = length(var.deletion_protected_from_role_names) > 0 ? 1 : 0

  name = "${local.global_name}-mlflow-deletion-protection"
  path = var.iam_path
  # Another description would replace the policy.
  description = "MLflow of ${local.name}: do not delete tracking servers and the App's stack"
  policy      = data.aws_iam_policy_document.deletion_protection.json
  tags        = var.tags

  # Waits for the rules in preconditions.tf.
  depends_on = [data.aws_caller_identity.current]
}

# Servers and the App depend on these, so Terraform deletes them before the attachments: also an apply that removes both is refused.
resource "aws_iam_role_policy_attachment" "deletion_protection" {
  for_each = var.deletion_protected_from_role_names

  role       = each.value
  policy_arn = aws_iam_policy.deletion_protection[0].arn

  depends_on = [data.aws_iam_roles.clients]
}

locals {
  # What the stack gives its App.
  app_tags       = merge(data.aws_default_tags.current.tags, var.tags)
  app_owner_tags = { for key, value in { project = var.project_name, environment = var.environment } : key => lookup(local.app_tags, key, value) }
}

# A pattern, so that the policy still protects a server in the apply that removes it from the inputs.
data "aws_iam_policy_document" "deletion_protection" {
  statement {
    sid     = "DenyDeleteServers"
    effect  = "Deny"
    actions = ["sagemaker:DeleteMlflowTrackingServer"]
    resources = [
      for name in concat(["${local.name}-*"], sort(values(var.tracking_server_name_override))) :
      "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:mlflow-tracking-server/${name}"
    ]
  }

  statement {
    sid       = "DenyDeleteAppStack"
    effect    = "Deny"
    actions   = ["cloudformation:DeleteStack"]
    resources = ["arn:${local.partition}:cloudformation:${local.region}:${local.account_id}:stack/${local.app_name}-stack/*"]
  }

  # The ARN has an id that AWS makes, and the App waits for this policy, so its tags say whose it is. An App without them counts as this
  # environment's, which also holds where AWS does not evaluate them: the reference lists the key for Apps, but not for each action.
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
  statement {
    sid       = "DenyDeleteApp"
    effect    = "Deny"
    actions   = ["sagemaker:DeleteMlflowApp"]
    resources = ["arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:mlflow-app/*"]

    dynamic "condition" {
      for_each = local.app_owner_tags

      content {
        test     = "StringEqualsIfExists"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }
}
