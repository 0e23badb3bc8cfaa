# Who read, wrote or deleted which artifact, and who called the tracking server: CloudTrail's data events, which no trail records unless
# it names them. This trail records nothing else, so it repeats no events of the account's own trail.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html
locals {
  has_data_events = var.data_events != null
  trail_name      = "${local.name}-mlflow-data-events"
  trail_arn       = "arn:${local.partition}:cloudtrail:${local.region}:${local.account_id}:trail/${local.trail_name}"

  # An empty list records reads and writes.
  data_events_read_only = try(var.data_events.reads, false) ? [] : ["false"]
  data_events_path      = try(var.data_events.prefix, null) == null ? "" : "/${var.data_events.prefix}"
  data_events_bucket    = "arn:${local.partition}:s3:::${try(var.data_events.bucket, "none")}"
}

resource "aws_cloudtrail" "data_events" {
  count = local.has_data_events ? 1 : 0

  name                          = local.trail_name
  s3_bucket_name                = var.data_events.bucket
  s3_key_prefix                 = var.data_events.prefix
  kms_key_id                    = var.data_events.kms_key_arn
  enable_log_file_validation    = true
  include_global_service_events = false
  tags                          = var.tags

  advanced_event_selector {
    name = "Artifacts"

    field_selector {
      field  = "eventCategory"
      equals = ["Data"]
    }
    field_selector {
      field  = "resources.type"
      equals = ["AWS::S3::Object"]
    }
    field_selector {
      field       = "resources.ARN"
      starts_with = [for path in local.readable_store_paths : "arn:${local.partition}:s3:::${path}/"]
    }

    dynamic "field_selector" {
      for_each = local.data_events_read_only

      content {
        field  = "readOnly"
        equals = [field_selector.value]
      }
    }
  }

  # AWS lists tracking servers among the resource types of data events, and MLflow Apps not.
  dynamic "advanced_event_selector" {
    for_each = local.is_serverless ? [] : [local.server_arns]

    content {
      name = "Tracking servers"

      field_selector {
        field  = "eventCategory"
        equals = ["Data"]
      }
      field_selector {
        field  = "resources.type"
        equals = ["AWS::SageMaker::MlflowTrackingServer"]
      }
      field_selector {
        field  = "resources.ARN"
        equals = advanced_event_selector.value
      }

      dynamic "field_selector" {
        for_each = local.data_events_read_only

        content {
          field  = "readOnly"
          equals = [field_selector.value]
        }
      }
    }
  }

  # Waits for the rules in preconditions.tf.
  depends_on = [data.aws_caller_identity.current]
}

# For the owner of the log bucket.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
data "aws_iam_policy_document" "data_events_bucket" {
  count = local.has_data_events ? 1 : 0

  dynamic "statement" {
    for_each = {
      AllowTrailCheckBucket = { action = "s3:GetBucketAcl", resource = local.data_events_bucket }
      AllowTrailWriteLogs   = { action = "s3:PutObject", resource = "${local.data_events_bucket}${local.data_events_path}/AWSLogs/${local.account_id}/*" }
    }

    content {
      sid       = statement.key
      actions   = [statement.value.action]
      resources = [statement.value.resource]

      principals {
        type        = "Service"
        identifiers = ["cloudtrail.amazonaws.com"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceArn"
        values   = [local.trail_arn]
      }

      dynamic "condition" {
        for_each = statement.key == "AllowTrailWriteLogs" ? ["bucket-owner-full-control"] : []

        content {
          test     = "StringEquals"
          variable = "s3:x-amz-acl"
          values   = [condition.value]
        }
      }
    }
  }
}
