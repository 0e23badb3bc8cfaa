variable "project_name" {
  description = "First part of every name, as given to the mlflow module."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.project_name))
    error_message = "project_name is \"${var.project_name}\": use lower-case letters, digits and single hyphens, as in \"mlflow\" (it becomes part of the repository's name)."
  }
}

variable "environment" {
  description = "Second part of every name, as given to the mlflow module."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.environment))
    error_message = "environment is \"${var.environment}\": use lower-case letters, digits and single hyphens, as in \"staging\" (it becomes part of the repository's name)."
  }
}

variable "artifact_store_uri" {
  description = "Artifact store that endpoints may read models from, and no other: the mlflow module's output of the same name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/*?]+)*/?$", var.artifact_store_uri))
    error_message = "artifact_store_uri must look like \"s3://bucket\" or \"s3://bucket/prefix\"."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the artifacts. Endpoints may decrypt with it. Images are encrypted under ECR's own key."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the key's ARN, such as \"arn:aws:kms:us-east-1:111122223333:key/1234abcd-...\": IAM policies cannot name a key by its id or alias."
  }
}

variable "former_artifact_store_uris" {
  description = "Artifact stores that this environment used before, as given to the mlflow module: endpoints may still read models there."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for uri in var.former_artifact_store_uris : can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/*?]+)*/?$", uri))])
    error_message = "former_artifact_store_uris must look like \"s3://bucket\" or \"s3://bucket/prefix\"."
  }
}

variable "former_kms_key_arns" {
  description = "Keys of older artifacts, which endpoints may still decrypt with: the mlflow module's output of the same name."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.former_kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "former_kms_key_arns must be ARNs of keys, such as \"arn:aws:kms:us-east-1:111122223333:key/1234abcd-...\": IAM policies cannot name a key by its id or alias."
  }
}

variable "mlflow_image_repository" {
  description = "Another repository in the same account and region that endpoints may pull from. `mlflow sagemaker build-and-push-container` pushes to this repository, and MLflow deploys from it by default. Null allows only this module's repository."
  type        = string
  default     = "mlflow-pyfunc"

  validation {
    condition     = var.mlflow_image_repository == null || can(regex("^[a-z0-9]+([._/-][a-z0-9]+)*$", var.mlflow_image_repository))
    error_message = "mlflow_image_repository must be a repository's name, such as \"mlflow-pyfunc\", without the registry's address and without a tag."
  }
}

variable "allowed_instance_types" {
  description = "Instance types that endpoints may use, such as `[\"ml.m5.large\", \"ml.c7i.*\"]`; a type may contain `*`. Empty allows all. Serverless endpoints are always allowed."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for type in var.allowed_instance_types : can(regex("^ml\\.[a-z0-9*-]+\\.[a-z0-9*]+$", type))])
    error_message = "allowed_instance_types must be instance types of SageMaker, such as [\"ml.m5.large\", \"ml.c7i.*\"]."
  }
}

variable "dangerously_delete_images_on_destroy" {
  description = "Allows `terraform destroy` to delete the repository with all images in it. If false, AWS refuses to delete a repository that contains images. Apply it before you destroy."
  type        = bool
  default     = false
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "ARN of the permissions boundary for the endpoints' role, if your organization requires one."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be a policy's ARN, such as \"arn:aws:iam::111122223333:policy/boundary\"."
  }
}

variable "publish_parameters" {
  description = "Whether the role and the repository are published in SSM Parameter Store, under `/{project_name}/{environment}/`, for clients without access to the Terraform state."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags for everything that the module creates, in addition to the provider's default_tags."
  type        = map(string)
  default     = {}
  nullable    = false
}
