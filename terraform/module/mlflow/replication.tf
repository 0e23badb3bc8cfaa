# A copy of every new object version in another bucket, which may be in another region or account. Deletions are not replicated, so a
# deleted artifact or backup stays in the copy. https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
locals {
  has_replication   = var.create_s3_bucket && var.replication != null
  replication_rule  = "artifacts"
  replication_alarm = "${local.name}-mlflow-replication-failed"
}

resource "aws_s3_bucket_replication_configuration" "artifacts" {
  count = local.has_replication ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id
  role   = aws_iam_role.replication[0].arn

  rule {
    id     = local.replication_rule
    status = "Enabled"

    filter {}

    delete_marker_replication {
      status = "Disabled"
    }

    destination {
      bucket        = var.replication.bucket_arn
      account       = var.replication.account_id
      storage_class = var.replication.storage_class

      # The metric of the alarm below. AWS bills the metrics of a rule as custom metrics.
      metrics {
        status = "Enabled"
      }

      # The copies belong to the destination's account.
      dynamic "access_control_translation" {
        for_each = var.replication.account_id == null ? [] : ["Destination"]

        content {
          owner = access_control_translation.value
        }
      }

      dynamic "encryption_configuration" {
        for_each = local.has_kms_key ? [var.replication.kms_key_arn] : []

        content {
          replica_kms_key_id = encryption_configuration.value
        }
      }
    }

    dynamic "source_selection_criteria" {
      for_each = local.has_kms_key ? ["Enabled"] : []

      content {
        sse_kms_encrypted_objects {
          status = source_selection_criteria.value
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = !local.has_kms_key || var.replication.kms_key_arn != null
      error_message = "replication.kms_key_arn is missing. The artifacts are encrypted under a customer key, so S3 needs a key in the destination's region to encrypt the copies."
    }

    precondition {
      condition     = local.has_kms_key || var.replication.kms_key_arn == null
      error_message = "replication.kms_key_arn would have no effect, because the artifacts are not encrypted under a customer key. Remove it, or encrypt the artifacts with kms."
    }
  }

  depends_on = [aws_s3_bucket_versioning.artifacts, aws_iam_role_policy.replication]
}

# S3 tries to copy an object for some time and then no more. https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html
resource "aws_cloudwatch_metric_alarm" "replication_failed" {
  count = local.has_replication ? 1 : 0

  alarm_name        = local.replication_alarm
  alarm_description = "Objects of bucket ${local.artifact_bucket_name} were not copied to ${var.replication.bucket_arn}. Check the role ${aws_iam_role.replication[0].name}, the other bucket and its key, then copy them with S3 Batch Replication."
  namespace         = "AWS/S3"
  metric_name       = "OperationsFailedReplication"
  dimensions = {
    SourceBucket      = local.artifact_bucket_name
    DestinationBucket = element(split(":", var.replication.bucket_arn), -1)
    RuleId            = local.replication_rule
  }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  alarm_actions       = local.has_notifications ? [local.topic_arn] : []
  tags                = var.tags

  # S3 reports nothing while it copies nothing, so the end of the alarm proves nothing: there is no OK notification.
  treat_missing_data = "notBreaching"
}

resource "aws_iam_role" "replication" {
  count = local.has_replication ? 1 : 0

  name                  = "${local.global_name}-mlflow-replication-role"
  path                  = var.iam_path
  description           = "Replicates the MLflow artifacts of ${local.name}"
  assume_role_policy    = data.aws_iam_policy_document.replication_trust.json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags

  lifecycle {
    precondition {
      condition     = length("${local.global_name}-mlflow-replication-role") <= 64
      error_message = "The replication's role would be named \"${local.global_name}-mlflow-replication-role\", which is ${length("${local.global_name}-mlflow-replication-role")} characters long, and IAM allows 64. Shorten project_name or environment, or set replication = null."
    }
  }
}

data "aws_iam_policy_document" "replication_trust" {
  statement {
    sid     = "AllowAssumeForThisBucket"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.artifact_bucket_arn]
    }
  }
}

resource "aws_iam_role_policy" "replication" {
  count = local.has_replication ? 1 : 0

  name   = "ReplicateArtifacts"
  role   = aws_iam_role.replication[0].id
  policy = data.aws_iam_policy_document.replication[0].json
}

data "aws_iam_policy_document" "replication" {
  count = local.has_replication ? 1 : 0

  statement {
    sid       = "AllowReadReplicationConfiguration"
    actions   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
    resources = [local.artifact_bucket_arn]
  }

  # S3 replicates a version with its retention and legal hold. Without the two rights to read them, it replicates nothing from a bucket
  # with Object Lock, which a bucket keeps for ever: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-requirements.html
  statement {
    sid = "AllowReadVersions"
    actions = [
      "s3:GetObjectLegalHold",
      "s3:GetObjectRetention",
      "s3:GetObjectVersionAcl",
      "s3:GetObjectVersionForReplication",
      "s3:GetObjectVersionTagging",
    ]
    resources = ["${local.artifact_bucket_arn}/*"]
  }

  statement {
    sid       = "AllowWriteCopies"
    actions   = ["s3:ObjectOwnerOverrideToBucketOwner", "s3:ReplicateObject", "s3:ReplicateTags"]
    resources = ["${var.replication.bucket_arn}/*"]
  }

  dynamic "statement" {
    for_each = local.has_kms_key ? [local.kms_key_arn] : []

    content {
      sid       = "AllowDecryptArtifacts"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.s3_via_service
      }
    }
  }

  # The destination's region may be another one, so the condition is on the service's name only; as in kms.tf, in both forms in AWS China.
  dynamic "statement" {
    for_each = local.has_kms_key ? compact([var.replication.kms_key_arn]) : []

    content {
      sid       = "AllowEncryptCopies"
      actions   = ["kms:Encrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = distinct([for suffix in ["amazonaws.com", data.aws_partition.current.dns_suffix] : "s3.*.${suffix}"])
      }
    }
  }
}
