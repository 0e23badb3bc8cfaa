variable "repository" {
  description = "The GitHub repository whose workflows may assume the roles, as \"OWNER/REPOSITORY\". Repositories that GitHub created or renamed after 15 July 2026 have immutable subjects: write those as \"OWNER@OWNER_ID/REPOSITORY@REPOSITORY_ID\". `gh api repos/OWNER/REPOSITORY --jq '.owner.id, .id'` prints the ids."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*(@[0-9]+)?/[A-Za-z0-9._-]+(@[0-9]+)?$", var.repository)) && length(regexall("@", var.repository)) != 1 && !can(regex("/[.]+(@|$)|[.]git(@|$)", var.repository))
    error_message = "repository is \"${var.repository}\": write \"OWNER/REPOSITORY\", or with both ids \"OWNER@OWNER_ID/REPOSITORY@REPOSITORY_ID\", without a host, without .git and without *."
  }
}

variable "branch" {
  description = "The branch whose pushes plan nightly, train and run the smoke tests. Protect it in GitHub."
  type        = string
  default     = "main"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._/-]{0,254}$", var.branch)) && !can(regex(local.refused_branch, var.branch))
    error_message = "branch must be one branch, such as \"main\", without refs/heads/ and without *."
  }
}

variable "project_name" {
  description = "First part of every name, as given to the environments."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.project_name))
    error_message = "project_name is \"${var.project_name}\": use lower-case letters, digits and single hyphens, as in \"mlflow\"."
  }
}

variable "environments" {
  description = "The environments that GitHub deploys to this account, by name, such as `{ staging = {}, prod = {} }`. GitHub's environments have the same names. `state_key` is the key of the environment's state (default `mlflow/NAME/terraform.tfstate`), `artifact_bucket_names` are existing buckets that hold its artifacts, `copy_bucket_names` are the buckets of its `backup.destination_uri` and `replication`, `delivery_source_arns` are the ARNs of the repository or connection of its `delivery`, and `client_role_names` are the roles in its `reader_role_names`, `writer_role_names` and `admin_role_names`. Those roles need the permissions boundary of the output `client_boundary_arns`."
  type = map(object({
    state_key             = optional(string)
    artifact_bucket_names = optional(list(string), [])
    copy_bucket_names     = optional(list(string), [])
    delivery_source_arns  = optional(list(string), [])
    client_role_names     = optional(list(string), [])
  }))
  nullable = false

  validation {
    condition     = length(var.environments) > 0 && alltrue([for name, environment in var.environments : can(regex("^[a-z0-9](-?[a-z0-9])*$", name)) && environment != null])
    error_message = "environments must have at least one name, its names must consist of lower-case letters, digits and single hyphens, and its values must not be null, as in { staging = {} }."
  }

  validation {
    condition     = alltrue([for environment in values(var.environments) : environment == null || can(regex("^[A-Za-z0-9._-][A-Za-z0-9._/-]*\\.tfstate$", coalesce(try(environment.state_key, null), "default.tfstate"))) && !can(regex("(^|/)[.]{0,2}/", try(environment.state_key, "")))])
    error_message = "state_key in environments must be one key that ends in .tfstate, such as \"mlflow/staging/terraform.tfstate\", of letters, digits and . _ / - only. Other characters could be read as wildcards in the roles' policies."
  }

  validation {
    condition     = length(distinct([for name, environment in var.environments : coalesce(try(environment.state_key, null), "mlflow/${name}/terraform.tfstate")])) == length(var.environments)
    error_message = "Two environments have the same state_key: two roots with one state would delete each other's resources."
  }

  validation {
    condition     = alltrue(flatten([for environment in values(var.environments) : [for name in try(concat(environment.artifact_bucket_names, environment.copy_bucket_names), []) : name != var.state_bucket_name && can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", name)) && !can(regex(local.refused_bucket, name))]]))
    error_message = "artifact_bucket_names and copy_bucket_names in environments must be names of buckets, without s3:// and without prefixes, and not the bucket of the states. ${local.bucket_rule}"
  }

  validation {
    condition     = alltrue(flatten([for environment in values(var.environments) : [for name in try(environment.client_role_names, []) : can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", name)) && !can(regex("^AWS(ReservedSSO_|ServiceRoleFor)", name))]]))
    error_message = "client_role_names in environments must be names of roles, without a path and without *, and not of IAM Identity Center or of a service, which AWS lets nobody change."
  }

  validation {
    condition     = alltrue(flatten([for environment in values(var.environments) : [for arn in try(environment.delivery_source_arns, []) : can(regex("^arn:${local.partition}:(codecommit|codeconnections|codestar-connections):[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9._/-]+$", arn))]]))
    error_message = "delivery_source_arns in environments must be ARNs of CodeCommit repositories or of connections, without *."
  }

  validation {
    condition     = alltrue(flatten([for name in keys(var.environments) : [for other in keys(var.environments) : !startswith(other, "${name}-")]]))
    error_message = "The name of one environment in environments begins with the name of another and a hyphen, so the roles of one could change the other. Give them another project_name."
  }
}

variable "state_bucket_name" {
  description = "Name of the bucket with the Terraform states: the state module's output `bucket_name`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.state_bucket_name)) && !can(regex(local.refused_bucket, var.state_bucket_name))
    error_message = "state_bucket_name must be the name of a bucket, such as \"terraform-states-111122223333\". ${local.bucket_rule}"
  }
}

variable "state_kms_key_arn" {
  description = "ARN of the key that encrypts the states, if the state bucket has one."
  type        = string
  default     = null

  validation {
    condition     = var.state_kms_key_arn == null || can(regex("^arn:${local.partition}:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.state_kms_key_arn))
    error_message = "state_kms_key_arn must be the key's ARN, such as \"arn:${local.partition}:kms:us-east-1:111122223333:key/1234abcd-...\"."
  }
}

variable "create_oidc_provider" {
  description = "Whether the module creates the account's identity provider for GitHub. An account can have only one: set it to false if yours has it."
  type        = bool
  default     = true
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
  description = "ARN of the permissions boundary for the roles of GitHub, if your organization requires one. It takes the place of the client boundaries, so it must allow changes only of roles with a boundary."
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
