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
    condition     = can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/*?]+)*/?$", var.artifact_store_uri)) && !can(regex(local.refused_bucket, var.artifact_store_uri))
    error_message = "artifact_store_uri must look like \"s3://bucket\" or \"s3://bucket/prefix\". ${local.store_rule}"
  }
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the artifacts. Endpoints may decrypt with it. Images are encrypted under ECR's own key."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:${local.partition}:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the key's ARN, such as \"arn:${local.partition}:kms:us-east-1:111122223333:key/1234abcd-...\": IAM policies cannot name a key by its id or alias."
  }
}

variable "former_artifact_store_uris" {
  description = "Artifact stores that this environment used before, as given to the mlflow module: endpoints may still read models there."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for uri in var.former_artifact_store_uris : can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/*?]+)*/?$", uri)) && !can(regex(local.refused_bucket, uri))])
    error_message = "former_artifact_store_uris must look like \"s3://bucket\" or \"s3://bucket/prefix\". ${local.store_rule}"
  }
}

variable "former_kms_key_arns" {
  description = "Keys of older artifacts, which endpoints may still decrypt with: the mlflow module's output of the same name."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.former_kms_key_arns : can(regex("^arn:${local.partition}:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "former_kms_key_arns must be ARNs of keys, such as \"arn:${local.partition}:kms:us-east-1:111122223333:key/1234abcd-...\": IAM policies cannot name a key by its id or alias."
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

variable "async_topic_arns" {
  description = "SNS topics to which asynchronous endpoints may send notifications of results and errors (`deploy_model.py --async --notify`)."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.async_topic_arns : can(regex("^arn:${local.partition}:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$", arn))])
    error_message = "async_topic_arns must be ARNs of SNS topics, such as \"arn:${local.partition}:sns:us-east-1:111122223333:results\"."
  }
}

variable "endpoint_vpc" {
  description = "Subnets, in two or more availability zones, and security groups in which endpoints may run (`deploy_model.py --subnet … --security-group …`). Null gives the endpoints' role no rights on network interfaces."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null

  validation {
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_VpcConfig.html
    condition     = var.endpoint_vpc == null || try(contains(range(2, 17), length(distinct(var.endpoint_vpc.subnet_ids))) && contains(range(1, 6), length(var.endpoint_vpc.security_group_ids)) && alltrue([for id in var.endpoint_vpc.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))]) && alltrue([for id in var.endpoint_vpc.security_group_ids : can(regex("^sg-[0-9a-f]+$", id))]), false)
    error_message = "endpoint_vpc must name 2 to 16 subnets in different availability zones and 1 to 5 security groups by their ids, such as { subnet_ids = [\"subnet-0123456789abcdef0\", \"subnet-0123456789abcdef1\"], security_group_ids = [\"sg-0123456789abcdef0\"] }."
  }
}

variable "image_build" {
  description = "The CodeBuild project that builds serving images; null makes none. `vpc` runs the builds in these subnets, and `package_index_url` installs Python packages from an index that needs no password instead of from PyPI. `compute_type` is the size of the machine, and `timeout_minutes` ends a build that takes longer."
  type = object({
    compute_type      = optional(string, "BUILD_GENERAL1_MEDIUM")
    timeout_minutes   = optional(number, 60)
    package_index_url = optional(string)
    vpc = optional(object({
      vpc_id             = string
      subnet_ids         = list(string)
      security_group_ids = list(string)
    }))
  })
  default = {}

  validation {
    condition     = var.image_build == null || can(regex("^BUILD_GENERAL1_(SMALL|MEDIUM|LARGE|XLARGE|2XLARGE)$", var.image_build.compute_type))
    error_message = "image_build.compute_type must be a size of CodeBuild, such as \"BUILD_GENERAL1_MEDIUM\"."
  }

  validation {
    # CodeBuild's limits: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_CreateProject.html
    condition     = var.image_build == null || try(var.image_build.timeout_minutes >= 5 && var.image_build.timeout_minutes <= 2160 && floor(var.image_build.timeout_minutes) == var.image_build.timeout_minutes, false)
    error_message = "image_build.timeout_minutes must be a whole number of minutes from 5 to 2160."
  }

  validation {
    # https://docs.aws.amazon.com/codebuild/latest/APIReference/API_VpcConfig.html
    condition     = try(var.image_build.vpc, null) == null || try(can(regex("^vpc-[0-9a-f]+$", var.image_build.vpc.vpc_id)) && contains(range(1, 17), length(var.image_build.vpc.subnet_ids)) && contains(range(1, 6), length(var.image_build.vpc.security_group_ids)) && alltrue([for id in var.image_build.vpc.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))]) && alltrue([for id in var.image_build.vpc.security_group_ids : can(regex("^sg-[0-9a-f]+$", id))]), false)
    error_message = "image_build.vpc must name a VPC, 1 to 16 subnets and 1 to 5 security groups by their ids, such as { vpc_id = \"vpc-0123456789abcdef0\", subnet_ids = [\"subnet-0123456789abcdef0\"], security_group_ids = [\"sg-0123456789abcdef0\"] }."
  }

  validation {
    condition     = try(var.image_build.package_index_url, null) == null || can(regex("^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%+/-]*)?$", var.image_build.package_index_url))
    error_message = "image_build.package_index_url must be an https address without a user name, password or query, such as \"https://packages.example.com/simple\"."
  }
}

variable "image_pusher_principal_arns" {
  description = "ARNs of IAM roles or users that may assume the role `{project_name}-{environment}-image-pusher`, which builds and pushes serving images. Empty creates no such role; the output `image_pusher_policy_arn` gives other roles the same rights."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.image_pusher_principal_arns : can(regex("^arn:${local.partition}:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "image_pusher_principal_arns must be ARNs of roles or users, such as \"arn:${local.partition}:iam::111122223333:role/ci\"."
  }

  validation {
    # A trust policy has 2,048 characters at most, and 8,192 with a raised quota: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    condition     = length(jsonencode(var.image_pusher_principal_arns)) <= 8044
    error_message = "image_pusher_principal_arns has ${length(var.image_pusher_principal_arns)} ARNs, which make a trust policy of more than 8,192 characters, IAM's largest quota. Name fewer, or attach the policy of output image_pusher_policy_arn to your roles instead."
  }
}

variable "keep_images" {
  description = "How many serving images with a tag the repository keeps, the newest ones. An endpoint whose image has expired cannot scale out, so keep more than are in use. Null keeps all. Images without a tag expire after 14 days."
  type        = number
  default     = 200

  validation {
    condition     = var.keep_images == null || try(var.keep_images >= 1 && var.keep_images <= 100000 && floor(var.keep_images) == var.keep_images, false)
    error_message = "keep_images must be a whole number of images from 1 to 100000, or null."
  }
}

variable "model_package_readers" {
  description = "Other accounts that may list and describe a registered model's packages in SageMaker's Model Registry, as `{ iris = [\"444455556666\"] }`. Makes the package group `{project_name}-{environment}-{model}`, which `promote.py` pushes to, and its resource policy. Import a group that exists already. Deploying a package takes more: `docs/guides/promote.md`."
  type        = map(set(string))
  default     = {}
  nullable    = false

  validation {
    # SageMaker's names: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackageGroup.html
    condition     = alltrue([for model in keys(var.model_package_readers) : can(regex("^[a-zA-Z0-9](-*[a-zA-Z0-9])*$", model))])
    error_message = "model_package_readers has the models ${join(", ", keys(var.model_package_readers))}: use names of registered models with letters, digits and hyphens, as in { iris = [\"444455556666\"] }."
  }

  validation {
    condition     = try(alltrue([for accounts in values(var.model_package_readers) : length(accounts) > 0 && alltrue([for account in accounts : can(regex("^[0-9]{12}$", account))])]), false)
    error_message = "model_package_readers must name at least one account for each model, by its number with twelve digits, as in { iris = [\"444455556666\"] }."
  }
}

variable "dangerously_delete_images_on_destroy" {
  description = "Allows `terraform destroy` to delete the repository with all images in it. If false, AWS refuses to delete a repository that contains images. Apply it before you destroy."
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
  description = "ARN of the permissions boundary for the endpoints' role, if your organization requires one."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:${local.partition}:iam::(${local.account_id}|aws):policy/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy of this account, such as \"arn:${local.partition}:iam::${local.account_id}:policy/boundary\"."
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

  # https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html#id_tags_naming_best_practices
  # CodeBuild's lengths: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Tag.html
  validation {
    condition     = alltrue([for key in keys(var.tags) : !can(regex("^(?i)aws:", key))])
    error_message = "tags must not begin with \"aws:\", which AWS reserves."
  }

  validation {
    condition     = alltrue([for key, value in var.tags : can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{1,127}$", key)) && can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{0,255}$", value))])
    error_message = "tags must have keys of 1 to 127 and values of up to 255 characters: letters, digits, spaces and _ . : / = + - @ only."
  }

  validation {
    condition     = length(var.tags) <= 50
    error_message = "tags has ${length(var.tags)} entries, and AWS allows 50 on a resource."
  }
}
