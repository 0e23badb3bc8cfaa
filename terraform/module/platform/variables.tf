# Inputs that differ from those of the called modules; inputs.tf declares the others.

variable "dangerously_delete_data_on_destroy" {
  description = "Allows `terraform destroy` to delete every artifact, model and serving image, and the files of Studio's users. Apply it before you destroy."
  type        = bool
  default     = false
  nullable    = false
}
