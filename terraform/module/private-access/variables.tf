variable "project_name" {
  description = "First part of every name, as given to the mlflow module."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.project_name))
    error_message = "project_name is \"${var.project_name}\": use lower-case letters, digits and single hyphens, as in \"mlflow\"."
  }
}

variable "environment" {
  description = "Second part of every name, as given to the mlflow module."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.environment))
    error_message = "environment is \"${var.environment}\": use lower-case letters, digits and single hyphens, as in \"staging\"."
  }
}

variable "vpc_id" {
  description = "The VPC that people and pipelines work in. DNS support and DNS hostnames must be on. A VPC can have each endpoint only once, so environments in the same VPC share one call of this module, with `tracking_server_arns`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id is \"${var.vpc_id}\": give the VPC's id, such as \"vpc-0123456789abcdef0\"."
  }
}

variable "subnet_ids" {
  description = "Subnets of the VPC that get an address for each endpoint, one in each availability zone that must keep working when another zone fails. Each address is billed by the hour."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) > 0 && alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids must name at least one subnet by its id, such as [\"subnet-0123456789abcdef0\"]."
  }
}

variable "allowed_cidr_blocks" {
  description = "Address ranges that may reach the endpoints, over HTTPS only: a name of your choice (it becomes the rule's description) to a range, such as `{ notebooks = \"10.0.16.0/20\" }`."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for range in values(var.allowed_cidr_blocks) : can(cidrnetmask(range)) && !can(regex("/0$", range))])
    error_message = "allowed_cidr_blocks must map names to IPv4 ranges narrower than /0, such as { notebooks = \"10.0.16.0/20\" }."
  }

  # AWS stores the first address of a range, and refuses a second rule for it.
  # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html
  validation {
    condition     = alltrue([for range in values(var.allowed_cidr_blocks) : try(cidrsubnet(range, 0, 0) == range, true)]) && length(distinct(values(var.allowed_cidr_blocks))) == length(var.allowed_cidr_blocks)
    error_message = "allowed_cidr_blocks must name each range once, by its first address: 10.0.16.0/20, not 10.0.16.5/20."
  }

  validation {
    condition     = alltrue([for name in keys(var.allowed_cidr_blocks) : can(regex("^[A-Za-z0-9 ._:/()#,@=&;{}!$*+\\[\\]-]{1,200}$", name))])
    error_message = "allowed_cidr_blocks has a name that no rule's description may contain: use up to 200 letters without accents, digits, spaces and ._-:/()#,@[]+=&;{}!$*."
  }
}

variable "allowed_security_group_ids" {
  description = "Security groups whose members may reach the endpoints, over HTTPS only: a name of your choice to a group's id."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for id in values(var.allowed_security_group_ids) : can(regex("^sg-[0-9a-f]+$", id))])
    error_message = "allowed_security_group_ids must map names to ids, such as { studio = \"sg-0123456789abcdef0\" }."
  }

  validation {
    condition     = length(distinct(values(var.allowed_security_group_ids))) == length(var.allowed_security_group_ids)
    error_message = "allowed_security_group_ids names a group twice. AWS refuses a second rule for it."
  }

  # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UserIdGroupPair.html
  validation {
    condition     = alltrue([for name in keys(var.allowed_security_group_ids) : can(regex("^[A-Za-z0-9 ._:/()#,@=;{}!$*+\\[\\]-]{1,200}$", name))])
    error_message = "allowed_security_group_ids has a name that no rule's description may contain: use up to 200 letters without accents, digits, spaces and ._-:/()#,@[]+=;{}!$*."
  }
}

variable "tracking_server_arns" {
  description = "ARNs of the tracking servers that clients may reach through the endpoints; the name may contain `*`. Empty allows every server of the project and environment, in any version."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.tracking_server_arns : can(regex("^arn:${local.partition}:sagemaker:[a-z0-9-]+:[0-9]{12}:mlflow-tracking-server/[A-Za-z0-9*-]+$", arn))])
    error_message = "tracking_server_arns must be ARNs of tracking servers, such as [\"arn:${local.partition}:sagemaker:us-east-1:111122223333:mlflow-tracking-server/mlflow-staging-*\"]."
  }
}

variable "create_api_endpoint" {
  description = "Whether the module creates the endpoint of SageMaker's API. Set it to false if the VPC already has one, for example for SageMaker Studio without internet access."
  type        = bool
  default     = true
  nullable    = false
}

variable "s3_gateway" {
  description = "Creates a gateway endpoint to S3, which is free, for route tables without one. **All** S3 traffic of these route tables then passes through it, so `bucket_names` must list the artifact bucket and every other bucket that clients there use; a name may contain `*`."
  type = object({
    route_table_ids = list(string)
    bucket_names    = list(string)
  })
  default = null

  validation {
    condition     = var.s3_gateway == null || try(length(var.s3_gateway.route_table_ids) > 0 && length(var.s3_gateway.bucket_names) > 0 && alltrue([for id in var.s3_gateway.route_table_ids : can(regex("^rtb-[0-9a-f]+$", id))]) && alltrue([for name in var.s3_gateway.bucket_names : can(regex("^[a-z0-9*][a-z0-9.*-]*$", name))]), false)
    error_message = "s3_gateway needs at least one route table and one bucket, such as { route_table_ids = [\"rtb-0123456789abcdef0\"], bucket_names = [\"mlflow-staging-mlflow-artifacts-acme\"] }."
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
