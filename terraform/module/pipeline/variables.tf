variable "project_name" {
  description = "First part of every name, as given to the mlflow module."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.project_name))
    error_message = "project_name is \"${var.project_name}\": use lower-case letters, digits and single hyphens, as in \"mlflow\" (it becomes part of the role's name)."
  }
}

variable "environment" {
  description = "Second part of every name, as given to the mlflow module."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.environment))
    error_message = "environment is \"${var.environment}\": use lower-case letters, digits and single hyphens, as in \"staging\" (it becomes part of the role's name)."
  }
}

variable "artifact_store_uri" {
  description = "Artifact store of the jobs' code, data, outputs and models: the mlflow module's output of the same name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/*?]+)*/?$", var.artifact_store_uri)) && !can(regex(local.refused_bucket, var.artifact_store_uri))
    error_message = "artifact_store_uri must look like \"s3://bucket\" or \"s3://bucket/prefix\". ${local.store_rule}"
  }
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the artifacts: the mlflow module's output of the same name."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:${local.partition}:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the key's ARN, such as \"arn:${local.partition}:kms:us-east-1:111122223333:key/1234abcd-...\": IAM policies cannot name a key by its id or alias."
  }
}

variable "tracking_policy_arn" {
  description = "ARN of the policy with which the jobs log to MLflow: the mlflow module's output `writer_policy_arn`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:${local.partition}:iam::[0-9]{12}:policy/[A-Za-z0-9+=,.@_/-]+$", var.tracking_policy_arn))
    error_message = "tracking_policy_arn must be a policy's ARN, such as \"arn:${local.partition}:iam::111122223333:policy/churn-dev-mlflow-writer\"."
  }
}

variable "training_pipeline" {
  description = "What `scripts/run_pipeline.py` needs: the role of the training pipeline and its jobs, and a policy for those who run it; null makes neither. `image_repositories` are the names of the ECR repositories in this account and region that the jobs may pull from, such as `[\"training\"]`."
  type = object({
    image_repositories = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.training_pipeline == null || try(alltrue([for name in var.training_pipeline.image_repositories : can(regex("^[a-z0-9]+([._/-][a-z0-9]+)*$", name))]), false)
    error_message = "training_pipeline.image_repositories must be names of ECR repositories, such as \"training\", without address and tag."
  }
}

variable "iam_path" {
  description = "IAM path of all roles and policies, such as \"/ml/\". Choose it before the first apply: a role or policy gets another path only by being replaced, and a server with another role is replaced too."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([A-Za-z0-9+=,.@_-]+/)*$", var.iam_path)) && length(var.iam_path) <= 512
    error_message = "iam_path is \"${var.iam_path}\": begin and end it with a slash, as in \"/ml/\", and use 512 characters at most."
  }
}

variable "global_name_prefix" {
  description = "Prefix of the names that all regions of an account share, such as \"euw1-\": those of roles, policies, the dashboard, the budget and the delivery's bucket. With it, the same `project_name` and `environment` exist in two regions of one account. Choose it before the first apply, as `iam_path`."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([A-Za-z0-9][A-Za-z0-9_-]{0,30})?$", var.global_name_prefix))
    error_message = "global_name_prefix is \"${var.global_name_prefix}\": use up to 31 letters, digits, hyphens and underscores, as in \"euw1-\"."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of the permissions boundary for the role, if your organization requires one."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:${local.partition}:iam::(${local.account_id}|aws):policy/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy of this account, such as \"arn:${local.partition}:iam::${local.account_id}:policy/boundary\"."
  }
}

variable "publish_parameters" {
  description = "Whether the role is published in SSM Parameter Store, under `/{project_name}/{environment}/`, for clients without access to the Terraform state."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags for everything that the module creates, in addition to the provider's default_tags."
  type        = map(string)
  default     = {}
  nullable    = false

  # https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html#id_tags_naming_best_practices
  validation {
    condition     = alltrue([for key in keys(var.tags) : !can(regex("^(?i)aws:", key))])
    error_message = "tags must not begin with \"aws:\", which AWS reserves."
  }

  validation {
    condition     = alltrue([for key, value in var.tags : can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{1,128}$", key)) && can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{0,256}$", value))])
    error_message = "tags must have keys of 1 to 128 and values of up to 256 characters: letters, digits, spaces and _ . : / = + - @ only."
  }

  validation {
    condition     = length(var.tags) <= 50
    error_message = "tags has ${length(var.tags)} entries, and AWS allows 50 on a resource."
  }
}
