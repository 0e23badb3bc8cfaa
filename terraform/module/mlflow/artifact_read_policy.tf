# Statements for every role that reads artifacts: the server, clients and the backup job. Runs keep the artifact location that they were
# created with, so former artifact stores stay readable too.
locals {
  readable_bucket_arns  = distinct([for path in local.readable_store_paths : "arn:${local.partition}:s3:::${split("/", path)[0]}"])
  readable_objects_arns = [for path in local.readable_store_paths : "arn:${local.partition}:s3:::${path}/*"]
  former_store_paths    = [for path in local.readable_store_paths : path if path != local.artifact_path]
}

data "aws_iam_policy_document" "read" {
  statement {
    sid       = "AllowFindBucket"
    actions   = ["s3:GetBucketLocation"]
    resources = local.readable_bucket_arns
  }

  # In a shared bucket, only names below the prefix can be listed. S3 evaluates a request for a missing object as a listing with the
  # object's key as prefix, so a missing object below the prefix still answers 404: https://github.com/ceph/ceph/pull/68577
  # HeadBucket sends no prefix and is denied. MLflow's S3 store does not call it, and the scripts call GetBucketLocation.
  statement {
    sid       = "AllowListArtifacts"
    actions   = ["s3:ListBucket"]
    resources = [local.artifact_bucket_arn]

    dynamic "condition" {
      for_each = local.artifact_prefix == "" ? [] : ["${local.artifact_prefix}/*"]

      content {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = [condition.value]
      }
    }
  }

  dynamic "statement" {
    for_each = { for index, path in local.former_store_paths : "AllowListFormerStore${index}" => split("/", path) }

    content {
      sid       = statement.key
      actions   = ["s3:ListBucket"]
      resources = ["arn:${local.partition}:s3:::${statement.value[0]}"]

      dynamic "condition" {
        for_each = length(statement.value) == 1 ? [] : ["${join("/", slice(statement.value, 1, length(statement.value)))}/*"]

        content {
          test     = "StringLike"
          variable = "s3:prefix"
          values   = [condition.value]
        }
      }
    }
  }

  statement {
    sid       = "AllowReadArtifacts"
    actions   = ["s3:GetObject"]
    resources = local.readable_objects_arns
  }

  # An object stays encrypted under the key that it was written with, even when the bucket's key changes later.
  dynamic "statement" {
    for_each = length(local.readable_key_arns) == 0 ? [] : [local.readable_key_arns]

    content {
      sid       = "AllowDecryptArtifacts"
      actions   = ["kms:Decrypt"]
      resources = statement.value

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.s3_via_service
      }
    }
  }
}
