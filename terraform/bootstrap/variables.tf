variable "allowed_account_ids" {
  description = "AWS accounts that may hold the bucket. With credentials of any other account, Terraform stops before it changes anything."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.allowed_account_ids) > 0 && alltrue([for id in var.allowed_account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "No AWS account is named for the states. Set allowed_account_ids in terraform/bootstrap/terraform.tfvars, as in allowed_account_ids = [\"111122223333\"] (`aws sts get-caller-identity` shows yours)."
  }
}

variable "region" {
  description = "Region of the bucket."
  type        = string
}

variable "bucket_name" {
  description = "Name of the bucket. Bucket names are shared by all AWS accounts."
  type        = string
}

variable "environments" {
  description = "Environments that keep their state in the bucket: folders of mlflow/terraform."
  type        = list(string)
}

variable "kms_key_id" {
  description = "ARN of an existing KMS key that encrypts the states. Null uses S3-managed keys (SSE-S3)."
  type        = string
  default     = null
}

variable "dangerously_allow_deletion" {
  description = "Allows the deletion of the bucket and of the states in it. Use it only to retire the bucket: see the module's README."
  type        = bool
  default     = false
}

variable "administrator_arns" {
  description = "Roles and users that may change the bucket's policy and settings: see the module's README. Empty means the one that applies this root."
  type        = list(string)
  default     = []
  nullable    = false
}
