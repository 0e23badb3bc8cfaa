variable "allowed_account_ids" {
  description = "The AWS accounts that the bucket may be made in: with any other account's credentials, Terraform stops before it changes anything."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.allowed_account_ids) > 0 && alltrue([for id in var.allowed_account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "Say which AWS account holds the states: set allowed_account_ids in mlflow/terraform/state/terraform.tfvars, as in allowed_account_ids = [\"111122223333\"] (`aws sts get-caller-identity` shows yours)."
  }
}

variable "region" {
  description = "Region of the bucket."
  type        = string
}

variable "bucket_name" {
  description = "Name of the bucket, yours among everybody's on AWS."
  type        = string
}

variable "environments" {
  description = "The environments that keep their state in the bucket: folders of mlflow/terraform."
  type        = list(string)
}

variable "kms_key_id" {
  description = "ARN of an existing key that encrypts the states; null for S3's own."
  type        = string
  default     = null
}

variable "dangerously_allow_deletion" {
  description = "Lifts the policy that refuses to delete the bucket and the states in it. Only for retiring it: see the module's README."
  type        = bool
  default     = false
}
