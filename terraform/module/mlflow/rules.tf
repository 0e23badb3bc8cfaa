# The rules that hold between inputs. A variable's own validation may look at other variables only from Terraform
# 1.9 on, so they stand here, on the read that everything else waits for: a broken rule is the only error shown.
data "aws_caller_identity" "current" {
  lifecycle {
    precondition {
      condition     = !(var.create_s3_bucket && var.artifact_store_uri != null)
      error_message = "Both a new and an existing artifact bucket are asked for: set create_s3_bucket = false to use artifact_store_uri, or remove artifact_store_uri."
    }

    precondition {
      condition     = var.create_s3_bucket || var.artifact_store_uri != null
      error_message = "There is no artifact bucket: give artifact_store_uri (an existing \"s3://bucket\"), or set create_s3_bucket = true."
    }

    precondition {
      condition     = !var.create_s3_bucket || var.bucket_name_suffix != null
      error_message = "A new artifact bucket needs bucket_name_suffix: bucket names are shared by everybody on AWS, so give it one of your own, such as \"acme-${var.environment}\"."
    }

    precondition {
      condition     = !var.create_s3_bucket || length(local.new_bucket_name) <= 63
      error_message = "The artifact bucket would be named \"${local.new_bucket_name}\", which is ${length(local.new_bucket_name)} characters long, and S3 allows 63: shorten project_name, environment or bucket_name_suffix by ${max(0, length(local.new_bucket_name) - 63)}."
    }

    precondition {
      condition     = length(local.role_name) <= 64
      error_message = "The server's role would be named \"${local.role_name}\", which is ${length(local.role_name)} characters long, and IAM allows 64: shorten project_name or environment by ${max(0, length(local.role_name) - 64)}."
    }

    precondition {
      condition     = !(var.create_kms_key && var.kms_key_id != null)
      error_message = "Both a new and an existing key are asked for: set create_kms_key = false to use kms_key_id, or remove kms_key_id."
    }

    precondition {
      condition     = !var.create_kms_key || var.create_s3_bucket
      error_message = "create_kms_key makes a key for the new bucket, and there is none: with artifact_store_uri, give the key that the bucket already uses as kms_key_id."
    }
  }
}
