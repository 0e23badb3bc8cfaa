# The rules that hold between inputs. A variable's own validation may look at other variables only from Terraform
# 1.9 on, so they stand here, on the read that everything else waits for: a broken rule is the only error shown.
data "aws_caller_identity" "current" {
  lifecycle {
    precondition {
      condition     = !contains(var.retained_mlflow_versions, var.mlflow_version)
      error_message = "retained_mlflow_versions names ${var.mlflow_version}, which is the active version: it is for the servers beside that one, so take it out."
    }

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
      condition     = !var.create_role || length(local.new_role_name) <= 64
      error_message = "The server's role would be named \"${local.new_role_name}\", which is ${length(local.new_role_name)} characters long, and IAM allows 64: shorten project_name or environment by ${max(0, length(local.new_role_name) - 64)}."
    }

    precondition {
      condition     = !(var.create_kms_key && (var.kms_key_id != null || var.kms_key_alias != null))
      error_message = "Both a new and an existing key are asked for: set create_kms_key = false to use kms_key_id or kms_key_alias, or remove those."
    }

    precondition {
      condition     = !(var.kms_key_id != null && var.kms_key_alias != null)
      error_message = "The key is named twice: remove kms_key_id or kms_key_alias."
    }

    precondition {
      condition     = !var.create_kms_key || var.create_s3_bucket
      error_message = "create_kms_key makes a key for the new bucket, and there is none: with artifact_store_uri, give the key that the bucket already uses as kms_key_id."
    }

    precondition {
      condition     = var.create_kms_key || length(var.kms_key_administrator_arns) == 0
      error_message = "kms_key_administrator_arns are for a new key, and none is made: set create_kms_key = true, or name them in the existing key's own policy."
    }

    precondition {
      condition     = var.create_s3_bucket || (var.access_logs == null && length(var.cors_allowed_origins) == 0 && var.artifact_transition == null && var.deleted_artifact_expiration_days == null)
      error_message = "access_logs, cors_allowed_origins, artifact_transition and deleted_artifact_expiration_days are settings of a new bucket, and the module leaves an existing one alone: remove them, or set create_s3_bucket = true."
    }

    precondition {
      condition     = try(var.access_logs.bucket, null) != local.artifact_bucket_name
      error_message = "access_logs.bucket is the artifact bucket itself, where each log would be logged in turn: name another bucket."
    }

    precondition {
      condition     = var.create_role == (var.role_arn == null)
      error_message = "The server's role must be either new or existing: give role_arn together with create_role = false, or neither."
    }

    precondition {
      condition     = var.create_role || length(var.additional_role_policies) == 0
      error_message = "additional_role_policies are attached to a new role, and the module leaves an existing one alone: attach them to it yourself."
    }
  }
}
