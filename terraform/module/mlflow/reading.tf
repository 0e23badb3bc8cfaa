# What whoever reads artifacts needs: the server, people and pipelines, the backup.
data "aws_iam_policy_document" "read" {
  statement {
    sid       = "FindBucket"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.artifact_bucket_arn]
  }

  # In a bucket that others use too, the names of their objects are nobody's business here. Asked for an object that is not
  # there, S3 takes its key for the prefix, so that within the prefix the answer stays 404: https://github.com/ceph/ceph/pull/68577
  # HeadBucket names no prefix and is refused: MLflow's S3 store does not call it, and scripts ask for the location.
  statement {
    sid       = "ListArtifacts"
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

  statement {
    sid       = "ReadArtifacts"
    actions   = ["s3:GetObject"]
    resources = [local.artifact_objects_arn]
  }

  # An object stays under the key that it was written under, whatever the bucket's has become.
  dynamic "statement" {
    for_each = length(local.readable_key_arns) == 0 ? [] : [local.readable_key_arns]

    content {
      sid       = "DecryptArtifactsThroughS3"
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
