# Managed policies for people and pipelines. Each level (reader, writer, admin) needs one policy for tracking and one for artifacts,
# because artifacts do not pass through the server; writers and admins also get the deployment policy. They are separate policies
# because IAM limits a managed policy to 6,144 characters.
locals {
  client_roles = {
    reader = var.reader_role_names
    writer = var.writer_role_names
    admin  = var.admin_role_names
  }
  client_levels   = keys(local.client_roles)
  deploying_roles = setunion(var.writer_role_names, var.admin_role_names)
  client_attachments = merge([
    for level, names in local.client_roles : { for name in names : "${level}/${name}" => { level = level, role = name } }
  ]...)

  # `count` must be known at plan time, which the document may not be: see the description of the input.
  has_deployment_policy = var.create_deployment_policy != null ? var.create_deployment_policy : var.deployment_policy_document != null

  client_policy_purposes = {
    reader = "read"
    writer = "read and write, without deleting"
    admin  = "administer, including deleting"
  }

  # IAM does not count white space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
  managed_policy_limit = 6144
}

resource "aws_iam_policy" "client" {
  # Static keys: `terraform import` does not know those of a data source.
  for_each = toset(local.client_levels)

  name        = "${local.global_name}-mlflow-${each.key}"
  path        = var.iam_path
  description = "MLflow of ${local.name}: ${local.client_policy_purposes[each.key]} runs, models and traces"
  policy      = data.aws_iam_policy_document.tracking[each.key].json
  tags        = var.tags

  lifecycle {
    precondition {
      condition     = length(replace(data.aws_iam_policy_document.tracking[each.key].json, "/\\s/", "")) <= local.managed_policy_limit
      error_message = "Policy ${local.global_name}-mlflow-${each.key} would have ${length(replace(data.aws_iam_policy_document.tracking[each.key].json, "/\\s/", ""))} characters, and IAM allows ${local.managed_policy_limit}. Remove versions from retained_mlflow_versions, or shorten project_name or environment."
    }
  }

  # Earlier releases granted artifacts and deployment in these policies. Attach their successors before these grants are removed.
  depends_on = [aws_iam_role_policy_attachment.artifacts, aws_iam_role_policy_attachment.deployment]
}

resource "aws_iam_policy" "artifacts" {
  for_each = toset(local.client_levels)

  name        = "${local.global_name}-mlflow-${each.key}-artifacts"
  path        = var.iam_path
  description = "MLflow of ${local.name}: ${local.client_policy_purposes[each.key]} artifacts"
  policy      = data.aws_iam_policy_document.artifact_access[each.key].json
  tags        = var.tags

  lifecycle {
    precondition {
      condition     = length(replace(data.aws_iam_policy_document.artifact_access[each.key].json, "/\\s/", "")) <= local.managed_policy_limit
      error_message = "Policy ${local.global_name}-mlflow-${each.key}-artifacts would have ${length(replace(data.aws_iam_policy_document.artifact_access[each.key].json, "/\\s/", ""))} characters, and IAM allows ${local.managed_policy_limit}. Name fewer former keys and former artifact stores, or shorten artifact_store_uri."
    }
  }
}

resource "aws_iam_policy" "deployment" {
  count = local.has_deployment_policy ? 1 : 0

  name        = "${local.global_name}-mlflow-deployment"
  path        = var.iam_path
  description = "MLflow of ${local.name}: deploy models to endpoints"
  policy      = var.deployment_policy_document
  tags        = var.tags

  lifecycle {
    precondition {
      condition     = length(replace(coalesce(var.deployment_policy_document, "-"), "/\\s/", "")) <= local.managed_policy_limit
      error_message = "Policy ${local.global_name}-mlflow-deployment would have ${length(replace(coalesce(var.deployment_policy_document, "-"), "/\\s/", ""))} characters, and IAM allows ${local.managed_policy_limit}. Shorten deployment_policy_document, project_name or environment."
    }
  }
}

resource "aws_iam_role_policy_attachment" "client" {
  for_each = local.client_attachments

  role       = each.value.role
  policy_arn = aws_iam_policy.client[each.value.level].arn
}

resource "aws_iam_role_policy_attachment" "artifacts" {
  for_each = local.client_attachments

  role       = each.value.role
  policy_arn = aws_iam_policy.artifacts[each.value.level].arn
}

resource "aws_iam_role_policy_attachment" "deployment" {
  for_each = local.has_deployment_policy ? local.deploying_roles : toset([])

  role       = each.value
  policy_arn = aws_iam_policy.deployment[0].arn
}

# One document per level with all of its statements, for places that take a policy as text, such as an IAM Identity Center permission set.
data "aws_iam_policy_document" "client" {
  for_each = toset(local.client_levels)

  source_policy_documents = concat(
    [data.aws_iam_policy_document.tracking[each.key].json, data.aws_iam_policy_document.artifact_access[each.key].json],
    each.key == "reader" ? [] : compact([var.deployment_policy_document]),
  )
}

locals {
  client_policies = {
    for level in local.client_levels : level => concat(
      [aws_iam_policy.client[level], aws_iam_policy.artifacts[level]],
      [for policy in aws_iam_policy.deployment : policy if level != "reader"],
    )
  }
}
