# Inputs of the provider; inputs.tf declares those of the platform module.

variable "allowed_account_ids" {
  description = "AWS accounts that this environment may be applied to. With credentials of any other account, Terraform stops before it changes anything."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.allowed_account_ids) > 0 && alltrue([for id in var.allowed_account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "No AWS account is named for this environment. Set allowed_account_ids in terraform.tfvars, as in allowed_account_ids = [\"111122223333\"] (`aws sts get-caller-identity` shows yours)."
  }
}

variable "region" {
  description = "AWS region of the environment."
  type        = string
}
