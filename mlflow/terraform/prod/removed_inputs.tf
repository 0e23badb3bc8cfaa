# Inputs of earlier versions. Terraform only warns about a value for an undeclared variable, and would then apply without it.

variable "kms_key_administrator_arns" {
  description = "Removed: use kms = { administrator_arns = [...] }."
  type        = any
  default     = null

  validation {
    condition     = var.kms_key_administrator_arns == null
    error_message = "kms_key_administrator_arns was replaced. Set kms = { administrator_arns = [...] } in terraform.tfvars: see docs/guides/upgrade-the-module.md."
  }
}

variable "former_kms_key_arns" {
  description = "Removed: use kms = { former_key_arns = [...] }."
  type        = any
  default     = null

  validation {
    condition     = var.former_kms_key_arns == null
    error_message = "former_kms_key_arns was replaced. Set kms = { former_key_arns = [...] } in terraform.tfvars: see docs/guides/upgrade-the-module.md."
  }
}
