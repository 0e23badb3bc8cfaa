locals {
  # Built from the name, so that the plan shows the real policy.
  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket_name}"

  # The principal that runs Terraform, as `aws:PrincipalArn` shows it: for a session of a role that is the role with its path, which the
  # session's ARN lacks. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
  caller_role = one(regex("^arn:[^:]+:sts::[0-9]+:assumed-role/([^/]+)/|^", data.aws_caller_identity.current.arn))
  account_iam = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}"
  caller_arns = local.caller_role == null ? [data.aws_caller_identity.current.arn] : [
    "${local.account_iam}:role/${local.caller_role}",
    "${local.account_iam}:role/*/${local.caller_role}",
  ]

  # The account's root user can always repair the policy.
  administrator_arns = concat(
    ["${local.account_iam}:root"],
    length(var.administrator_arns) == 0 ? local.caller_arns : var.administrator_arns,
  )

  # The last part of a role's ARN is its name, whatever its path.
  caller_is_administrator = length(var.administrator_arns) == 0 || endswith(data.aws_caller_identity.current.arn, ":root") || anytrue([
    for arn in var.administrator_arns : can(regex(
      "^${replace(replace(element(split("/", arn), -1), ".", "\\."), "*", ".*")}$",
      coalesce(local.caller_role, element(split("/", data.aws_caller_identity.current.arn), -1)),
    ))
  ])

  backend_hcl = {
    for name, key in var.state_keys : name => join("\n", concat(
      [
        "bucket              = \"${var.bucket_name}\"",
        "key                 = \"${key}\"",
        "region              = \"${split(".", data.aws_region.current.endpoint)[1]}\"",
        "encrypt             = true",
        "use_lockfile        = true",
        "allowed_account_ids = [\"${data.aws_caller_identity.current.account_id}\"]",
      ],
      [for key_arn in compact([var.kms_key_id]) : "kms_key_id          = \"${key_arn}\""],
      [""],
    ))
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}
