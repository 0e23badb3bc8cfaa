# The roles that get policies must exist: otherwise the apply fails in the middle, after other resources.
locals {
  client_role_names = setunion(var.reader_role_names, var.writer_role_names, var.admin_role_names, var.deletion_protected_from_role_names)
}

data "aws_iam_roles" "clients" {
  count = var.verify_client_roles && length(local.client_role_names) > 0 ? 1 : 0

  # Role names may contain "." and "+", which mean something else in a regular expression.
  name_regex = "^(${join("|", [for name in local.client_role_names : replace(replace(name, ".", "[.]"), "+", "[+]")])})$"

  lifecycle {
    postcondition {
      condition     = length(setsubtract(local.client_role_names, self.names)) == 0
      error_message = "These roles do not exist in account ${local.account_id}: ${join(", ", setsubtract(local.client_role_names, self.names))}. Correct reader_role_names, writer_role_names, admin_role_names or deletion_protected_from_role_names, or set verify_client_roles = false if this configuration creates them."
    }
  }
}
