# Rules that involve several inputs. They are preconditions of the data source that everything else depends on, so Terraform
# reports a violated rule as the only error.
data "aws_caller_identity" "current" {
  lifecycle {
    # An App's API has no field for these: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateMlflowApp.html
    precondition {
      condition     = length(local.refused_by_apps) == 0
      error_message = "backend = \"serverless\" has no ${join(", no ", local.refused_by_apps)}. Remove these inputs, or set backend = \"server\"."
    }

    # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html (StackName)
    precondition {
      condition     = !local.is_serverless || can(regex("^[a-z]", var.project_name))
      error_message = "project_name is \"${var.project_name}\", and CloudFormation, which creates the App, needs a stack name that begins with a letter. Choose another project_name, or set backend = \"server\"."
    }

    precondition {
      condition     = !contains(var.retained_mlflow_versions, var.mlflow_version)
      error_message = "retained_mlflow_versions names ${var.mlflow_version}, which is the active version. Remove it: the input is for the other servers."
    }

    precondition {
      condition     = length(distinct(values(local.server_names))) == length(local.server_names)
      error_message = "Two MLflow versions would have the same tracking server: ${join(", ", [for version, name in local.server_names : "${version} would be \"${name}\""])}. There is one server per version: correct tracking_server_name_override."
    }

    precondition {
      condition     = !(var.create_s3_bucket && var.artifact_store_uri != null)
      error_message = "Both a new and an existing artifact bucket are configured. Set create_s3_bucket = false to use artifact_store_uri, or remove artifact_store_uri."
    }

    precondition {
      condition     = var.create_s3_bucket || var.artifact_store_uri != null
      error_message = "There is no artifact bucket. Set artifact_store_uri to an existing \"s3://bucket\", or set create_s3_bucket = true."
    }

    precondition {
      condition     = !var.create_s3_bucket || var.bucket_name_suffix != null || var.bucket_name_override != null
      error_message = "A new artifact bucket needs bucket_name_suffix. Bucket names are shared by all AWS accounts: choose your own, such as \"acme-${var.environment}\"."
    }

    precondition {
      condition     = var.create_s3_bucket || var.bucket_name_override == null
      error_message = "bucket_name_override names a bucket that the module manages, and with create_s3_bucket = false it manages none. Remove it, or set create_s3_bucket = true and import the bucket."
    }

    precondition {
      condition     = var.create_role || var.role_name_override == null
      error_message = "role_name_override names a role that the module manages, and with create_role = false it manages none. Remove it, or set create_role = true and import the role."
    }

    precondition {
      condition     = !var.create_s3_bucket || length(local.new_bucket_name) <= 63
      error_message = "The artifact bucket would be named \"${local.new_bucket_name}\", which is ${length(local.new_bucket_name)} characters long, and S3 allows 63. Shorten project_name, environment or bucket_name_suffix by ${max(0, length(local.new_bucket_name) - 63)}."
    }

    # A name in an account's own namespace ends in "-an". This module creates no bucket there, but it manages one that exists.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    precondition {
      condition     = !var.create_s3_bucket || !(can(regex("^(amzn-s3-demo-|sthree-|xn--)|(-s3alias|--ol-s3|--x-s3|--table-s3|[.]mrap)$", local.new_bucket_name)) || (var.bucket_name_override == null && endswith(local.new_bucket_name, "-an")))
      error_message = "The artifact bucket would be named \"${local.new_bucket_name}\", and S3 reserves names that begin with \"amzn-s3-demo-\", \"sthree-\" or \"xn--\" or end in \"-an\", \"-s3alias\", \"--ol-s3\", \"--x-s3\", \"--table-s3\" or \".mrap\". Choose another project_name or bucket_name_suffix. If a bucket of that name exists already, set bucket_name_override to it."
    }

    precondition {
      condition     = !var.create_role || length(local.new_role_name) <= 64
      error_message = "The server's role would be named \"${local.new_role_name}\", which is ${length(local.new_role_name)} characters long, and IAM allows 64. Shorten project_name, environment or global_name_prefix by ${max(0, length(local.new_role_name) - 64)}."
    }

    precondition {
      condition     = var.create_s3_bucket || (var.access_logs == null && length(var.cors_allowed_origins) == 0 && var.artifact_transition == null && var.deleted_artifact_expiration_days == null)
      error_message = "access_logs, cors_allowed_origins, artifact_transition and deleted_artifact_expiration_days are settings of a new bucket, and the module does not change an existing one. Remove them, or set create_s3_bucket = true."
    }

    precondition {
      condition     = try(var.access_logs.bucket, null) != local.artifact_bucket_name
      error_message = "access_logs.bucket is the artifact bucket itself, so each log would be logged again. Name another bucket."
    }

    precondition {
      condition     = try(var.replication.bucket_arn, null) != local.artifact_bucket_arn
      error_message = "replication.bucket_arn is the artifact bucket itself, which S3 refuses. Name another bucket."
    }

    precondition {
      condition     = !contains([for path in local.readable_store_paths : split("/", path)[0]], try(var.data_events.bucket, ""))
      error_message = "data_events.bucket is an artifact bucket, present or former, so each log file would be an event that is logged again, and clients could delete it. Name another bucket."
    }

    precondition {
      condition     = var.create_role == (var.role_arn == null)
      error_message = "The server's role must be either new or existing. Set role_arn together with create_role = false, or neither."
    }

    precondition {
      condition     = var.create_role || length(var.additional_role_policies) == 0
      error_message = "additional_role_policies are attached to a new role, and the module does not change an existing one. Attach them to it yourself."
    }

    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    precondition {
      condition     = length(var.additional_role_policies) <= 25
      error_message = "additional_role_policies names ${length(var.additional_role_policies)} policies, and IAM allows 25 on a role at most, with a raised quota. Combine some of them."
    }

    # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Tag.html
    precondition {
      condition     = !local.is_serverless || alltrue([for value in values(merge(data.aws_default_tags.current.tags, var.tags)) : try(length(value) > 0, false)])
      error_message = "tags or the provider's default_tags have an empty value, which CloudFormation, which creates the App, refuses. Remove these tags or give them a value: ${join(", ", [for key, value in merge(data.aws_default_tags.current.tags, var.tags) : key if value == ""])}."
    }

    # IAM and SageMaker take roles and policies of the caller's account only.
    postcondition {
      condition     = alltrue([for arn in concat([var.permissions_boundary_arn, var.role_arn], values(var.additional_role_policies)) : arn == null || contains(["aws", self.account_id], try(split(":", arn)[4], ""))])
      error_message = "permissions_boundary_arn, role_arn or additional_role_policies has an ARN of another account, and AWS takes roles and policies of the caller's account only: give ARNs of account ${self.account_id}."
    }

    precondition {
      condition     = length(setunion(keys(var.tags), keys(data.aws_default_tags.current.tags))) <= 50
      error_message = "tags and the provider's default_tags have ${length(setunion(keys(var.tags), keys(data.aws_default_tags.current.tags)))} keys together, and AWS allows 50 tags on a resource. Remove some."
    }

    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules_creating
    precondition {
      condition     = length(distinct([for key in setunion(keys(var.tags), keys(data.aws_default_tags.current.tags)) : lower(key)])) == length(setunion(keys(var.tags), keys(data.aws_default_tags.current.tags)))
      error_message = "tags and the provider's default_tags have keys that differ only in case, such as Project and project, and IAM allows only one of them: ${join(", ", setunion(keys(var.tags), keys(data.aws_default_tags.current.tags)))}. Use the same case."
    }
  }
}

data "aws_default_tags" "current" {}
