locals {
  # Put together from the name, so that the plan already shows the real policy.
  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket_name}"

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
