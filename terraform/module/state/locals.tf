locals {
  partition = data.aws_partition.current.partition
  region    = split(".", data.aws_region.current.endpoint)[1]

  # Built from the name, so that the plan shows the real policy.
  bucket_arn = "arn:${local.partition}:s3:::${var.bucket_name}"

  # The principal that runs Terraform, as `aws:PrincipalArn` shows it: for a session of a role that is the role with its path, which the
  # session's ARN lacks. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
  caller_role = one(regex("^arn:[^:]+:sts::[0-9]+:assumed-role/([^/]+)/|^", data.aws_caller_identity.current.arn))
  account_iam = "arn:${local.partition}:iam::${data.aws_caller_identity.current.account_id}"
  caller_arns = local.caller_role == null ? [data.aws_caller_identity.current.arn] : [
    "${local.account_iam}:role/${local.caller_role}",
    "${local.account_iam}:role/*/${local.caller_role}",
  ]

  # The account's root user can always repair the policy.
  administrator_arns = concat(
    ["${local.account_iam}:root"],
    length(var.administrator_arns) == 0 ? local.caller_arns : var.administrator_arns,
  )

  # As S3 compares them: the whole ARN, with the account and the role's path. Otherwise an ARN that only resembles the caller's would
  # lock it out of the bucket's policy, which then only the account's root user could repair.
  caller_is_administrator = length(var.administrator_arns) == 0 || endswith(data.aws_caller_identity.current.arn, ":root") || anytrue([
    for arn in var.administrator_arns : can(regex(
      "^${replace(replace(replace(arn, ".", "\\."), "+", "\\+"), "*", ".*")}$",
      one(data.aws_iam_session_context.caller[*].issuer_arn),
    ))
  ])

  backend_hcl = {
    for name, key in var.state_keys : name => join("\n", concat(
      [
        "bucket              = \"${var.bucket_name}\"",
        "key                 = \"${key}\"",
        "region              = \"${local.region}\"",
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

# The caller's role with its path, or its user. The provider asks IAM for the role (iam:GetRole).
data "aws_iam_session_context" "caller" {
  count = length(var.administrator_arns) == 0 ? 0 : 1

  arn = data.aws_caller_identity.current.arn
}

data "aws_partition" "current" {}

data "aws_region" "current" {}
