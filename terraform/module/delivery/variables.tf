variable "project_name" {
  description = "First part of every name, as given to the mlflow module."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.project_name))
    error_message = "project_name is \"${var.project_name}\": use lower-case letters, digits and single hyphens, as in \"mlflow\" (it becomes part of the roles' names)."
  }
}

variable "environment" {
  description = "Second part of every name, as given to the mlflow module."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.environment))
    error_message = "environment is \"${var.environment}\": use lower-case letters, digits and single hyphens, as in \"staging\" (it becomes part of the roles' names)."
  }
}

variable "kms_key_arn" {
  description = "ARN of a key of your own that encrypts the bucket of the pipeline's artifacts. A key that the mlflow module creates does not work: it serves the artifact bucket only."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:${local.partition}:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the key's ARN, such as \"arn:${local.partition}:kms:us-east-1:111122223333:key/1234abcd-...\": IAM policies cannot name a key by its id or alias."
  }
}

variable "runner_policy_arn" {
  description = "ARN of the policy that allows running the training pipeline: the pipeline module's output `pipeline_runner_policy_arn`."
  type        = string
  default     = null

  validation {
    condition     = var.runner_policy_arn == null || can(regex("^arn:${local.partition}:iam::[0-9]{12}:policy/[A-Za-z0-9+=,.@_/-]+$", var.runner_policy_arn))
    error_message = "runner_policy_arn must be a policy's ARN, such as \"arn:${local.partition}:iam::111122223333:policy/churn-dev-pipeline-runner\"."
  }
}

variable "can_train" {
  description = "Whether `runner_policy_arn` is given, known before it exists: true with a `training_pipeline`."
  type        = bool
  nullable    = false
}

variable "tracking_policy_arn" {
  description = "ARN of the policy with which builds read the environment and MLflow: the mlflow module's output `writer_policy_arn`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:${local.partition}:iam::[0-9]{12}:policy/[A-Za-z0-9+=,.@_/-]+$", var.tracking_policy_arn))
    error_message = "tracking_policy_arn must be a policy's ARN, such as \"arn:${local.partition}:iam::111122223333:policy/churn-dev-mlflow-writer\"."
  }
}

variable "deployer_policy_arns" {
  description = "ARNs of the policies that allow deploying and validating models: `client_policy_arns[\"writer\"]` of the mlflow module."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.deployer_policy_arns) > 0 && alltrue([for arn in var.deployer_policy_arns : can(regex("^arn:${local.partition}:iam::[0-9]{12}:policy/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "deployer_policy_arns must be ARNs of policies, at least one: give the mlflow module's client_policy_arns[\"writer\"]."
  }
}

variable "notify" {
  description = "Whether `notification_topic_arn` is given, known before the topic exists: true with `notifications`."
  type        = bool
  default     = false
  nullable    = false
}

variable "notification_topic_arn" {
  description = "Topic of requests for approval and of failed executions: the mlflow module's output of the same name."
  type        = string
  default     = null

  validation {
    condition     = var.notification_topic_arn == null || can(regex("^arn:${local.partition}:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.notification_topic_arn))
    error_message = "notification_topic_arn must be the ARN of a topic, such as \"arn:${local.partition}:sns:us-east-1:111122223333:alerts\"."
  }
}

variable "delivery" {
  description = "A CodePipeline pipeline from a push to a validated endpoint: source, build of `buildspec.yml` (tests and training), manual approval, build of `buildspec-deploy.yml` (deploy and validate). Approving a package of the model in SageMaker's registry deploys it too. null makes none. `source` is `{ connection_arn, repository }` for GitHub (`OWNER/NAME`) or `{ codecommit_repository }`, each with an optional `branch`. `image_uri` is the image of the training jobs. `training_arguments`, `deploy_arguments` and `validation_arguments` are options of `run_pipeline.py`, `deploy_model.py` and `validate_endpoint.py`, such as `[\"--threshold=0.9\"]`. `package_index_url` is the package index of the builds. Needs `training_pipeline`."
  type = object({
    source = object({
      connection_arn        = optional(string)
      repository            = optional(string)
      codecommit_repository = optional(string)
      branch                = optional(string, "main")
    })
    model_name           = string
    image_uri            = string
    training_arguments   = optional(list(string), [])
    deploy_arguments     = optional(list(string), [])
    validation_arguments = optional(list(string), [])
    train_buildspec      = optional(string, "buildspec.yml")
    deploy_buildspec     = optional(string, "buildspec-deploy.yml")
    package_index_url    = optional(string)
    compute_type         = optional(string, "BUILD_GENERAL1_SMALL")
    timeout_minutes      = optional(number, 120)
  })
  default = null

  validation {
    condition = var.delivery == null || try(
      (var.delivery.source.codecommit_repository != null) != (var.delivery.source.connection_arn != null || var.delivery.source.repository != null)
      && (var.delivery.source.connection_arn == null) == (var.delivery.source.repository == null),
    false)
    error_message = "delivery.source must have either connection_arn and repository, or codecommit_repository."
  }
  validation {
    condition     = try(var.delivery.source.connection_arn, null) == null || can(regex("^arn:${local.partition}:(codeconnections|codestar-connections):[a-z0-9-]+:[0-9]{12}:connection/[0-9a-f-]{36}$", var.delivery.source.connection_arn))
    error_message = "delivery.source.connection_arn must be the ARN of a connection, such as \"arn:${local.partition}:codeconnections:us-east-1:111122223333:connection/aEXAMPLE-...\". Make one in the console: a connection made by an API call is pending until someone completes it there."
  }
  validation {
    condition     = try(var.delivery.source.repository, null) == null || can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]{1,100}$", var.delivery.source.repository)) && !can(regex("/[.]+$|[.]git$", var.delivery.source.repository))
    error_message = "delivery.source.repository must be OWNER/NAME, such as \"acme/models\", without address and without .git."
  }
  validation {
    condition     = try(var.delivery.source.codecommit_repository, null) == null || can(regex("^[A-Za-z0-9._-]{1,100}$", var.delivery.source.codecommit_repository)) && !can(regex("[.]git$", var.delivery.source.codecommit_repository))
    error_message = "delivery.source.codecommit_repository must be the name of a CodeCommit repository in this account and region, such as \"models\", without .git."
  }
  validation {
    condition     = try(var.delivery.source, null) == null || (can(regex("^[A-Za-z0-9._/-]{1,255}$", var.delivery.source.branch)) && !can(regex(local.refused_branch, var.delivery.source.branch)))
    error_message = "delivery.source.branch must be the name of one branch, such as \"main\", without refs/heads/ and without wildcards."
  }
  validation {
    condition     = var.delivery == null || can(regex("^[a-zA-Z0-9](-*[a-zA-Z0-9])*$", var.delivery.model_name))
    error_message = "delivery.model_name must have letters, digits and hyphens only: it becomes part of the names of the endpoint and of the model package group."
  }
  validation {
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html
    condition     = var.delivery == null || try(length("${var.project_name}-${var.environment}-${var.delivery.model_name}") <= 63, true)
    error_message = "delivery.model_name makes the name of the endpoint longer than 63 characters: \"${var.project_name}-${var.environment}-${try(coalesce(var.delivery.model_name), "")}\". Register the model under a shorter name."
  }
  validation {
    condition     = var.delivery == null || try(alltrue([for one in concat(var.delivery.training_arguments, var.delivery.deploy_arguments, var.delivery.validation_arguments) : can(regex("^[A-Za-z0-9._:/=@,+%-]+$", one))]), false)
    error_message = "delivery.training_arguments, deploy_arguments and validation_arguments must be single words without spaces, quotes and other characters that a shell interprets: write \"--threshold=0.9\"."
  }
  validation {
    condition     = var.delivery == null || can(regex("^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$", var.delivery.image_uri))
    error_message = "delivery.image_uri must be the address of an image, such as \"111122223333.dkr.ecr.us-east-1.amazonaws.com/training:1\"."
  }
  validation {
    condition     = var.delivery == null || can(regex("^BUILD_GENERAL1_(SMALL|MEDIUM|LARGE|XLARGE|2XLARGE)$", var.delivery.compute_type))
    error_message = "delivery.compute_type must be a size of CodeBuild, such as \"BUILD_GENERAL1_SMALL\"."
  }
  validation {
    condition     = var.delivery == null || try(alltrue([for file in [var.delivery.train_buildspec, var.delivery.deploy_buildspec] : can(regex("^[A-Za-z0-9_-][A-Za-z0-9._/-]*\\.ya?ml$", file)) && !strcontains(file, "..")]), false)
    error_message = "delivery.train_buildspec and deploy_buildspec must be YAML files of the repository, such as \"buildspec.yml\"."
  }
  validation {
    condition     = var.delivery == null || try(var.delivery.timeout_minutes >= 5 && var.delivery.timeout_minutes <= 480 && floor(var.delivery.timeout_minutes) == var.delivery.timeout_minutes, false)
    error_message = "delivery.timeout_minutes must be a whole number from 5 to 480. CodePipeline ends a build after 8 hours."
  }
  validation {
    condition     = try(var.delivery.package_index_url, null) == null || can(regex("^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%+/-]*)?$", var.delivery.package_index_url))
    error_message = "delivery.package_index_url must be an https address without a user name, password or query, such as \"https://packages.example.com/simple\": everyone who may read the project sees it."
  }
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
  description = "ARN of the permissions boundary for the roles, if your organization requires one."
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
