variable "project_name" {
  description = "First part of every name, as given to the mlflow module."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.project_name))
    error_message = "project_name is \"${var.project_name}\": use lower-case letters, digits and single hyphens, as in \"mlflow\" (it becomes part of the roles' names)."
  }
}

variable "environment" {
  description = "Second part of every name, as given to the mlflow module."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.environment))
    error_message = "environment is \"${var.environment}\": use lower-case letters, digits and single hyphens, as in \"staging\" (it becomes part of the roles' names)."
  }
}

variable "reader_policy_arns" {
  description = "ARNs of the policies of MLflow's readers: the mlflow module's output `client_policy_arns[\"reader\"]`."
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.reader_policy_arns : can(regex("^arn:${local.partition}:iam::[0-9]{12}:policy/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "reader_policy_arns must be ARNs of policies, such as \"arn:${local.partition}:iam::111122223333:policy/churn-dev-mlflow-reader\"."
  }
}

variable "writer_policy_arns" {
  description = "ARNs of the policies of MLflow's writers: the mlflow module's output `client_policy_arns[\"writer\"]`."
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.writer_policy_arns : can(regex("^arn:${local.partition}:iam::[0-9]{12}:policy/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "writer_policy_arns must be ARNs of policies, such as \"arn:${local.partition}:iam::111122223333:policy/churn-dev-mlflow-writer\"."
  }
}

variable "runner_policy_arn" {
  description = "ARN of the policy that allows running the training pipeline: the pipeline module's output `pipeline_runner_policy_arn`."
  type        = string
  default     = null

  validation {
    condition     = var.runner_policy_arn == null || can(regex("^arn:${local.partition}:iam::[0-9]{12}:policy/[A-Za-z0-9+=,.@_/-]+$", var.runner_policy_arn))
    error_message = "runner_policy_arn must be a policy's ARN, such as \"arn:${local.partition}:iam::111122223333:policy/churn-dev-pipeline-runner\"."
  }
}

variable "can_train" {
  description = "Whether `runner_policy_arn` is given, known before it exists: true with a `training_pipeline`."
  type        = bool
  nullable    = false
}

variable "studio" {
  description = "A SageMaker Studio domain with IAM authentication, in which the tracking server shows up; null makes none. `user_profiles` are the users' levels, `reader` or `writer`, by the names of their profiles. Without `internet_access` all traffic of the users' applications goes through the VPC. `kms_key_arn` is a key of your own for the users' files; null uses AWS's key. JupyterLab and Code Editor stop after `idle_minutes` without use, or after a shorter time that their user chooses. Changing `vpc_id`, `subnet_ids`, `kms_key_arn`, `project_name` or `environment` replaces the domain, and with it all profiles and their spaces. `kms_key_arn` is untested on AWS. `docs/guides/studio.md` has the rights that it needs, and says how to change the network."
  type = object({
    vpc_id             = string
    subnet_ids         = list(string)
    security_group_ids = list(string)
    user_profiles      = map(string)
    internet_access    = optional(bool, false)
    kms_key_arn        = optional(string)
    idle_minutes       = optional(number, 120)
  })
  default = null

  validation {
    condition     = var.studio == null || try(can(regex("^vpc-[0-9a-f]+$", var.studio.vpc_id)) && alltrue([for id in var.studio.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))]) && alltrue([for id in var.studio.security_group_ids : can(regex("^sg-[0-9a-f]+$", id))]), false)
    error_message = "studio needs ids, not names: a vpc_id such as \"vpc-0123456789abcdef0\", subnet_ids such as \"subnet-0123456789abcdef0\", and security_group_ids such as \"sg-0123456789abcdef0\"."
  }

  validation {
    condition     = var.studio == null || try(length(var.studio.subnet_ids) > 0 && length(var.studio.subnet_ids) <= 16, true)
    error_message = "studio.subnet_ids must be 1 to 16 subnets of studio.vpc_id."
  }

  validation {
    condition     = var.studio == null || try(var.studio.internet_access || length(var.studio.security_group_ids) > 0, true)
    error_message = "studio.security_group_ids is empty: without internet_access, AWS needs at least one security group."
  }

  validation {
    condition     = var.studio == null || try(length(var.studio.security_group_ids) <= 4, true)
    error_message = "studio.security_group_ids has more than 4 security groups. AWS allows 5, and SageMaker adds one for the users' files."
  }

  validation {
    condition     = var.studio == null || try(alltrue([for name in keys(var.studio.user_profiles) : can(regex("^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$", name))]), false)
    error_message = "studio.user_profiles has a name that AWS does not allow: use 1 to 63 letters, digits and hyphens, as in \"ana\"."
  }

  validation {
    condition     = try(var.studio.user_profiles, null) == null || try(alltrue([for level in values(var.studio.user_profiles) : contains(["reader", "writer"], level)]), false)
    error_message = "studio.user_profiles has a level that is neither \"reader\" nor \"writer\"."
  }

  validation {
    condition     = var.studio == null || try(var.studio.kms_key_arn == null || can(regex("^arn:${local.partition}:kms:${local.region}:[0-9]{12}:key/[A-Za-z0-9-]+$", var.studio.kms_key_arn)), false)
    error_message = "studio.kms_key_arn must be the ARN of a key in this region, such as \"arn:${local.partition}:kms:${local.region}:111122223333:key/1234abcd-...\"."
  }

  validation {
    condition     = var.studio == null || try(var.studio.idle_minutes >= 60 && var.studio.idle_minutes <= 525600 && floor(var.studio.idle_minutes) == var.studio.idle_minutes, false)
    error_message = "studio.idle_minutes must be a whole number from 60 to 525600."
  }
}

variable "dangerously_delete_homes_on_destroy" {
  description = "Allows `terraform destroy` to delete the files in the home folders of Studio's users. It must be true when the domain is created: a later change has no effect. Otherwise the EFS file system stays."
  type        = bool
  default     = false
  nullable    = false
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
  description = "ARN of the permissions boundary for the roles, if your organization requires one."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:${local.partition}:iam::(${local.account_id}|aws):policy/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy of this account, such as \"arn:${local.partition}:iam::${local.account_id}:policy/boundary\"."
  }
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
