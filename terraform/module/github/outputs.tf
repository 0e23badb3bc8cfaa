output "role_arns" {
  description = "ARNs of the roles of GitHub's workflows, by environment and purpose: `plan`, `apply` and `train`."
  value = {
    for name in keys(local.environments) : name => {
      for purpose in ["plan", "apply", "train"] : purpose => aws_iam_role.ci["${name}/${purpose}"].arn
    }
  }

  # A workflow needs the roles' policies, so a user of this output waits for them.
  depends_on = [aws_iam_role_policy_attachment.ci]
}

output "role_prefix" {
  description = "What the ARNs of the roles have between `role/` and `project_name`, such as `ml/euw1-`: the input `role-prefix` of the workflows. Empty without `iam_path` and `global_name_prefix`."
  value       = local.role_prefix
}

output "boundary_arns" {
  description = "ARNs of the permissions boundaries, by environment. Each is the environment's `permissions_boundary_arn`: the apply role creates and changes only roles with it."
  value       = { for name in keys(local.environments) : name => aws_iam_policy.ci["${name}/boundary"].arn }
}

output "client_boundary_arns" {
  description = "ARNs of the permissions boundaries of the train role and of the roles in `client_role_names`, by environment. The apply role attaches policies only to clients with it."
  value       = { for name in keys(local.environments) : name => local.environments[name].client_boundary_arn }

  depends_on = [aws_iam_policy.ci]
}

output "oidc_provider_arn" {
  description = "ARN of the account's identity provider for GitHub."
  value       = local.provider_arn
}

output "policy_arns" {
  description = "ARNs of the policies, by environment and purpose, for roles of another CI: `read` for a plan; `read`, `services`, `storage` and `roles` for an apply."
  value = {
    for name in keys(local.environments) : name => {
      for purpose in ["read", "services", "storage", "roles"] : purpose => aws_iam_policy.ci["${name}/${purpose}"].arn
    }
  }
}
