# Terraform removes policies that were added to these roles outside Terraform. The server's role has the same in iam.tf.
locals {
  job_roles = merge(
    local.has_schedule ? {
      scheduler  = { role = aws_iam_role.scheduler[0].name, policy = aws_iam_role_policy.scheduler[0].name }
      start_stop = { role = aws_iam_role.start_stop[0].name, policy = aws_iam_role_policy.start_stop[0].name }
    } : {},
    local.has_backup ? {
      backup          = { role = aws_iam_role.backup[0].name, policy = aws_iam_role_policy.backup[0].name }
      backup_schedule = { role = aws_iam_role.backup_schedule[0].name, policy = aws_iam_role_policy.backup_schedule[0].name }
    } : {},
    local.has_replication ? { replication = { role = aws_iam_role.replication[0].name, policy = aws_iam_role_policy.replication[0].name } } : {},
  )
}

resource "aws_iam_role_policies_exclusive" "job" {
  for_each = var.exclusive_role_policies ? local.job_roles : {}

  role_name    = each.value.role
  policy_names = [each.value.policy]
}

resource "aws_iam_role_policy_attachments_exclusive" "job" {
  for_each = var.exclusive_role_policies ? local.job_roles : {}

  role_name   = each.value.role
  policy_arns = []
}
