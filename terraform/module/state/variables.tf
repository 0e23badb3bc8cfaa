variable "bucket_name" {
  description = "Name of the bucket. Bucket names are shared by all AWS accounts, so include the account id, as in \"terraform-states-111122223333\"."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9]){2,62}$", var.bucket_name)) && length(var.bucket_name) <= 63
    error_message = "bucket_name is \"${var.bucket_name}\": use 3 to 63 lower-case letters, digits and single hyphens, as in \"terraform-states-111122223333\"."
  }

  validation {
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    condition     = !can(regex("^(amzn-s3-demo-|sthree-|xn--)|(-s3alias|-an)$", var.bucket_name))
    error_message = "bucket_name is \"${var.bucket_name}\", and S3 reserves names that begin with \"amzn-s3-demo-\", \"sthree-\" or \"xn--\" or end in \"-s3alias\" or \"-an\". Choose another one."
  }
}

variable "state_keys" {
  description = "Roots that store their state in the bucket: a name of your choice to the state's key. The output `backend_hcl` has an entry for each."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    # The bucket policy protects only keys with this suffix from deletion; see policy.tf.
    condition     = alltrue([for key in values(var.state_keys) : can(regex("^[^/\"\\\\#$%*?[:cntrl:][:space:]][^\"\\\\#$%*?[:cntrl:][:space:]]*\\.tfstate$", key)) && !can(regex("(^|/)[.]{0,2}/", key)) && try(length(key) <= 1000, false)])
    error_message = "Every key of state_keys must end in \".tfstate\", not begin with \"/\", contain no spaces, quotes, wildcards, # and folders named . or .., and have 1000 characters at most, as in \"mlflow/staging/terraform.tfstate\"."
  }

  validation {
    condition     = length(distinct(values(var.state_keys))) == length(var.state_keys)
    error_message = "Two names in state_keys have the same key: two roots with one state would delete each other's resources."
  }
}

variable "kms_key_id" {
  description = "ARN of an existing key that encrypts the states. Null uses S3-managed keys (SSE-S3). Every principal that runs Terraform needs kms:Decrypt and kms:GenerateDataKey on the key."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_id == null || can(regex("^arn:${local.partition}:kms:${local.region}:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_id))
    error_message = "kms_key_id must be the ARN of a key in the bucket's region, such as \"arn:${local.partition}:kms:${local.region}:111122223333:key/1234abcd-...\": the bucket's policy compares it with the key that each upload names."
  }
}

variable "administrator_arns" {
  description = "The roles and users that may change the bucket's policy and settings, such as its lifecycle rules; all others are refused, whatever their own policies allow. An ARN may contain `*`. Include the principal that runs Terraform, a role with its path; Terraform then needs `iam:GetRole` on its own role. Empty means the principal that applies this root. The account's root user always may."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.administrator_arns : can(regex("^arn:${local.partition}:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/*-]+$", arn))])
    error_message = "administrator_arns must be ARNs of roles or users, such as \"arn:${local.partition}:iam::111122223333:role/platform-admin\", not of sessions."
  }
}

variable "old_versions_kept_days" {
  description = "Number of days after which a replaced version of a state is deleted. States are small: a year costs cents."
  type        = number
  default     = 365
  nullable    = false

  validation {
    # S3's days are integers of 32 bits: https://docs.aws.amazon.com/AmazonS3/latest/API/API_NoncurrentVersionExpiration.html
    condition     = var.old_versions_kept_days >= 1 && var.old_versions_kept_days <= 2147483647 && floor(var.old_versions_kept_days) == var.old_versions_kept_days
    error_message = "old_versions_kept_days must be a whole number of days from 1 to 2147483647."
  }
}

variable "dangerously_allow_deletion" {
  description = "Removes the statements of the bucket's policy that deny deletion of the bucket, its states and their versions. Use it only to retire the bucket; Terraform still does not delete it."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags for the bucket, in addition to the provider's default_tags."
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
