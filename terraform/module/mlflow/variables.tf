variable "project_name" {
  description = "First part of every name, usually \"mlflow\" or the team's. Part of the role's name, and a server's role cannot change: renaming it later replaces the server and loses its runs."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.project_name))
    error_message = "project_name is \"${var.project_name}\": use lower-case letters, digits and single hyphens, as in \"mlflow\" (it becomes part of the bucket's name)."
  }
}

variable "environment" {
  description = "Second part of every name, such as \"staging\" or \"prod\". Renaming it later replaces the server, as with `project_name`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.environment))
    error_message = "environment is \"${var.environment}\": use lower-case letters, digits and single hyphens, as in \"staging\" (it becomes part of the bucket's name)."
  }
}

variable "mlflow_version" {
  description = "MLflow version of the tracking server, as major.minor: AWS offers 2.13, 2.16 and 3.0. A version is a server of its own (its name ends in it), since AWS neither upgrades nor backs up a server: changing this replaces the server and **loses its experiments and runs**."
  type        = string
  default     = "3.0"
  nullable    = false

  validation {
    # AWS answers "3.0" to whoever asks for "3.0.0", and the provider would then plan a replacement for ever.
    condition     = can(regex("^[0-9]+\\.[0-9]+$", var.mlflow_version))
    error_message = "mlflow_version is \"${var.mlflow_version}\": write major.minor only, such as \"3.0\". With a patch version every later plan would replace the server and lose its runs."
  }
}

variable "tracking_server_size" {
  description = "Small, Medium or Large: for teams of up to 25, 50 or 100 people. It can be changed later without losing anything."
  type        = string
  default     = "Small"
  nullable    = false

  validation {
    condition     = contains(["Small", "Medium", "Large"], var.tracking_server_size)
    error_message = "tracking_server_size is \"${var.tracking_server_size}\": use \"Small\", \"Medium\" or \"Large\"."
  }
}

variable "automatic_model_registration" {
  description = "Whether a model version registered in MLflow also appears as a model package in the SageMaker registry. The AWS provider never sends a change from true to false: turn it off with `aws sagemaker update-mlflow-tracking-server --no-automatic-model-registration` as well, or the plan shows the difference for ever."
  type        = bool
  default     = true
  nullable    = false
}

variable "weekly_maintenance_window_start" {
  description = "When AWS may restart the server each week, in UTC, such as \"Tue:03:30\". Null lets AWS choose."
  type        = string
  default     = null

  validation {
    condition     = var.weekly_maintenance_window_start == null || can(regex("^(Mon|Tue|Wed|Thu|Fri|Sat|Sun):([01][0-9]|2[0-3]):[0-5][0-9]$", var.weekly_maintenance_window_start))
    error_message = "weekly_maintenance_window_start must be a day and a 24-hour UTC time, such as \"Tue:03:30\" (Mon, Tue, Wed, Thu, Fri, Sat or Sun)."
  }
}

variable "create_s3_bucket" {
  description = "Whether the module makes the artifact bucket. Set it to false and give `artifact_store_uri` to use one that exists."
  type        = bool
  default     = true
  nullable    = false
}

variable "bucket_name_suffix" {
  description = "Last part of the new bucket's name, `{project_name}-{environment}-mlflow-artifacts-{bucket_name_suffix}`: bucket names are shared by everybody on AWS, so make it your own. Needed when `create_s3_bucket` is true."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_name_suffix == null || can(regex("^[a-z0-9](-?[a-z0-9])*$", var.bucket_name_suffix))
    error_message = "bucket_name_suffix must be lower-case letters, digits and single hyphens, as in \"acme-staging\": S3 takes no capitals, underscores or spaces in a bucket's name."
  }
}

variable "artifact_store_uri" {
  description = "An existing bucket, or a prefix in one, for the artifacts: `s3://bucket` or `s3://bucket/prefix`, in the server's region. Needed when `create_s3_bucket` is false. The module leaves that bucket's settings and policy alone."
  type        = string
  default     = null

  validation {
    condition     = var.artifact_store_uri == null || can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/*?]+)*/?$", var.artifact_store_uri))
    error_message = "artifact_store_uri must look like \"s3://bucket\" or \"s3://bucket/prefix\"."
  }
}

variable "dangerously_delete_artifacts_on_destroy" {
  description = "Lets `terraform destroy` delete the bucket with every model and artifact in it, all versions included. Off, AWS refuses to delete a bucket that holds objects. It must be applied before the destroy that it is meant for."
  type        = bool
  default     = false
  nullable    = false
}

variable "create_kms_key" {
  description = "Whether the module makes a customer key for the new bucket, so that access to artifacts can be audited and withdrawn by key. Without any key, S3's own (SSE-S3) encrypts them."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_id" {
  description = "ARN of an existing key that encrypts the artifacts. With an existing bucket, the key that it uses, so that the server's role may use it too."
  type        = string
  default     = null

  validation {
    # A role's policy can name a key by its ARN only; an alias or a bare id would be accepted and grant nothing.
    condition     = var.kms_key_id == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_id))
    error_message = "kms_key_id must be the key's ARN, such as \"arn:aws:kms:us-east-1:111122223333:key/1234abcd-...\": IAM policies cannot name a key by its id or alias."
  }
}

variable "additional_role_policies" {
  description = "Policies to attach to the server's role beside `MLflowBasicAccess`: a name of your choice (Terraform's address only) to a policy's ARN."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for arn in values(var.additional_role_policies) : can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", arn))])
    error_message = "additional_role_policies must map names to policy ARNs, such as { lineage = \"arn:aws:iam::111122223333:policy/lineage\" }."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds the server's role, where your organisation asks for one on every role."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be a policy's ARN, such as \"arn:aws:iam::111122223333:policy/boundary\"."
  }
}

variable "tags" {
  description = "Tags for everything the module makes, beside the provider's default_tags."
  type        = map(string)
  default     = {}
  nullable    = false
}
