variable "project_name" {
  description = "First part of every name, usually \"mlflow\" or the team's. Part of the role's name, and a server's role cannot change: renaming it later replaces the server and loses its runs."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.project_name))
    error_message = "project_name is \"${var.project_name}\": use lower-case letters, digits and single hyphens, as in \"mlflow\" (it becomes part of the bucket's name)."
  }
}

variable "environment" {
  description = "Second part of every name, such as \"staging\" or \"prod\". Renaming it later replaces the server, as with `project_name`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.environment))
    error_message = "environment is \"${var.environment}\": use lower-case letters, digits and single hyphens, as in \"staging\" (it becomes part of the bucket's name)."
  }
}

variable "mlflow_version" {
  description = "MLflow version of the active tracking server, as major.minor; `mlflow_versions.json` lists the supported ones. Each version is a server of its own, because AWS cannot upgrade a server in place. If you change only this input, Terraform deletes the old server **with its experiments and runs**: use `make upgrade`, which copies them first."
  type        = string
  default     = "3.0"
  nullable    = false

  validation {
    # AWS reports "3.0" for a server created with "3.0.0", so the provider would plan a replacement on every run.
    condition     = can(regex("^[0-9]+\\.[0-9]+$", var.mlflow_version))
    error_message = "mlflow_version is \"${var.mlflow_version}\": write major.minor only, such as \"3.0\". With a patch version every later plan would replace the server and lose its runs."
  }

  validation {
    condition     = !can(regex("^[0-9]+\\.[0-9]+$", var.mlflow_version)) || contains(keys(jsondecode(file("${path.module}/mlflow_versions.json")).versions), var.mlflow_version)
    error_message = "mlflow_version is \"${var.mlflow_version}\", which is not in mlflow_versions.json: use one of ${join(", ", keys(jsondecode(file("${path.module}/mlflow_versions.json")).versions))}, or add the version to that file if AWS offers it."
  }
}

variable "retained_mlflow_versions" {
  description = "MLflow versions of further servers that are kept beside the active one: a new server before it becomes active, or an old one until you retire it. If you remove a version, Terraform deletes its server with all experiments and runs. `make upgrade` and `make retire` change this input."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for version in var.retained_mlflow_versions : contains(keys(jsondecode(file("${path.module}/mlflow_versions.json")).versions), version)])
    error_message = "retained_mlflow_versions must be supported versions, as major.minor: ${join(", ", keys(jsondecode(file("${path.module}/mlflow_versions.json")).versions))}."
  }

  validation {
    condition     = length(distinct(var.retained_mlflow_versions)) == length(var.retained_mlflow_versions)
    error_message = "retained_mlflow_versions names a version twice. There is one server per version."
  }
}

variable "tracking_server_size" {
  description = "Small, Medium or Large: for teams of up to 25, 50 or 100 people. It can be changed later without losing anything."
  type        = string
  default     = "Small"
  nullable    = false

  validation {
    condition     = contains(["Small", "Medium", "Large"], var.tracking_server_size)
    error_message = "tracking_server_size is \"${var.tracking_server_size}\": use \"Small\", \"Medium\" or \"Large\"."
  }
}

variable "automatic_model_registration" {
  description = "Whether a model version registered in MLflow also appears as a model package in the SageMaker registry. The AWS provider never sends a change from true to false: turn it off with `aws sagemaker update-mlflow-tracking-server --no-automatic-model-registration` as well, or the plan shows the difference for ever."
  type        = bool
  default     = true
  nullable    = false
}

variable "weekly_maintenance_window_start" {
  description = "When AWS may restart the server each week, in UTC, such as \"Tue:03:30\". Null lets AWS choose."
  type        = string
  default     = null

  validation {
    condition     = var.weekly_maintenance_window_start == null || can(regex("^(Mon|Tue|Wed|Thu|Fri|Sat|Sun):([01][0-9]|2[0-3]):[0-5][0-9]$", var.weekly_maintenance_window_start))
    error_message = "weekly_maintenance_window_start must be a day and a 24-hour UTC time, such as \"Tue:03:30\" (Mon, Tue, Wed, Thu, Fri, Sat or Sun)."
  }
}

variable "create_s3_bucket" {
  description = "Whether the module makes the artifact bucket. Set it to false and give `artifact_store_uri` to use one that exists."
  type        = bool
  default     = true
  nullable    = false
}

variable "bucket_name_suffix" {
  description = "Last part of the new bucket's name, `{project_name}-{environment}-mlflow-artifacts-{bucket_name_suffix}`: bucket names are shared by everybody on AWS, so make it your own. Needed when `create_s3_bucket` is true."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_name_suffix == null || can(regex("^[a-z0-9](-?[a-z0-9])*$", var.bucket_name_suffix))
    error_message = "bucket_name_suffix must be lower-case letters, digits and single hyphens, as in \"acme-staging\": S3 takes no capitals, underscores or spaces in a bucket's name."
  }
}

variable "artifact_store_uri" {
  description = "An existing bucket, or a prefix in one, for the artifacts: `s3://bucket` or `s3://bucket/prefix`, in the server's region. Needed when `create_s3_bucket` is false. The module leaves that bucket's settings and policy alone."
  type        = string
  default     = null

  validation {
    condition     = var.artifact_store_uri == null || can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/*?]+)*/?$", var.artifact_store_uri))
    error_message = "artifact_store_uri must look like \"s3://bucket\" or \"s3://bucket/prefix\"."
  }
}

variable "dangerously_delete_artifacts_on_destroy" {
  description = "Lets `terraform destroy` delete the bucket with every model and artifact in it, all versions included. Off, AWS refuses to delete a bucket that holds objects. It must be applied before the destroy that it is meant for."
  type        = bool
  default     = false
  nullable    = false
}

variable "noncurrent_version_expiration_days" {
  description = "An artifact that was overwritten or deleted can be recovered for so many days, and is then gone. Null keeps every version for ever, and pays for it."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_version_expiration_days == null || try(var.noncurrent_version_expiration_days >= 1 && floor(var.noncurrent_version_expiration_days) == var.noncurrent_version_expiration_days, false)
    error_message = "noncurrent_version_expiration_days must be a whole number of days, 1 or more, or null to keep every version."
  }
}

variable "artifact_transition" {
  description = "Moves artifacts into a cheaper storage class so many days after they were written, such as `{ days = 90, storage_class = \"STANDARD_IA\" }`. Only classes that can be read at once are taken: MLflow and endpoints cannot wait for an archive."
  type = object({
    days          = number
    storage_class = string
  })
  default = null

  validation {
    condition     = var.artifact_transition == null || try(contains(["GLACIER_IR", "INTELLIGENT_TIERING", "STANDARD_IA"], var.artifact_transition.storage_class), false)
    error_message = "artifact_transition.storage_class must be \"INTELLIGENT_TIERING\", \"STANDARD_IA\" or \"GLACIER_IR\": artifacts in another archive class cannot be read until they are restored, and ONEZONE_IA keeps one copy only."
  }

  validation {
    condition     = var.artifact_transition == null || try(floor(var.artifact_transition.days) == var.artifact_transition.days && var.artifact_transition.days >= (var.artifact_transition.storage_class == "STANDARD_IA" ? 30 : 0), false)
    error_message = "artifact_transition.days must be a whole number of days, and 30 or more for STANDARD_IA, which S3 takes no younger objects into."
  }
}

variable "deleted_artifact_expiration_days" {
  description = "Deletes objects that carry the tag `mlflow.deleted` = `true` once they are so many days old, counted from their creation and not from the tagging; they can be recovered for `noncurrent_version_expiration_days` after that. Nobody sets this tag for you: see the README. Null keeps them."
  type        = number
  default     = null

  validation {
    condition     = var.deleted_artifact_expiration_days == null || try(var.deleted_artifact_expiration_days >= 1 && floor(var.deleted_artifact_expiration_days) == var.deleted_artifact_expiration_days, false)
    error_message = "deleted_artifact_expiration_days must be a whole number of days, 1 or more, or null to keep them."
  }
}

variable "access_logs" {
  description = "Where S3 writes who read and wrote which artifact: a bucket of the same account and region that lets `logging.s3.amazonaws.com` put objects, and a prefix (the artifact bucket's name and a slash, unless given)."
  type = object({
    bucket = string
    prefix = optional(string)
  })
  default = null

  validation {
    condition     = var.access_logs == null || try(can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.access_logs.bucket)), false)
    error_message = "access_logs.bucket must be a bucket's name, such as \"acme-access-logs\", without \"s3://\" or \"arn:\"."
  }
}

variable "cors_allowed_origins" {
  description = "Web addresses whose pages may show artifacts from the bucket, such as your Studio domain's, `https://d-abcdefghijkl.studio.us-east-1.sagemaker.aws`: reading only."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.cors_allowed_origins : can(regex("^https://[a-z0-9*-]+([.][a-z0-9-]+)+(:[0-9]+)?$", origin))])
    error_message = "cors_allowed_origins must be https origins without a path, such as \"https://d-abcdefghijkl.studio.us-east-1.sagemaker.aws\"."
  }
}

variable "create_kms_key" {
  description = "Whether the module makes a customer key for the new bucket, so that access to artifacts can be audited and withdrawn by key. Without any key, S3's own (SSE-S3) encrypts them."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_administrator_arns" {
  description = "The roles and users that alone administer the new key: enable, disable, rotate, tag, schedule its deletion. Name the one that runs Terraform as well, or it cannot change the key. Left empty, the account's IAM policies decide. None of them has a right to decrypt by it, but as they answer for its policy, they could give themselves one."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    # A key policy takes no wildcard in a principal, and a session's ARN would lock its role out after the session.
    condition     = alltrue([for arn in var.kms_key_administrator_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "kms_key_administrator_arns must be ARNs of roles or users, such as \"arn:aws:iam::111122223333:role/key-admin\", without wildcards."
  }
}

variable "kms_key_deletion_window_days" {
  description = "How long the new key can still be saved after somebody scheduled its deletion; with it goes every artifact."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.kms_key_deletion_window_days >= 7 && var.kms_key_deletion_window_days <= 30 && floor(var.kms_key_deletion_window_days) == var.kms_key_deletion_window_days
    error_message = "kms_key_deletion_window_days is ${var.kms_key_deletion_window_days}: KMS takes 7 to 30 whole days."
  }
}

variable "kms_key_id" {
  description = "An existing key that encrypts the artifacts: its ARN, or its id where it is in this account and region. With an existing bucket, the key that it uses, so that roles may use it too. The key's own policy must let them."
  type        = string
  default     = null

  validation {
    # Whether there is a key must be known at plan time, when a key made beside the module is not: so an alias, which
    # must be looked up, has an input of its own.
    condition     = var.kms_key_id == null || can(regex("^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/)?(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$", var.kms_key_id))
    error_message = "kms_key_id must be a key's ARN or id, such as \"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\": give an alias as kms_key_alias."
  }
}

variable "kms_key_alias" {
  description = "An existing key by its alias in this account and region, in place of `kms_key_id`: the key that the alias means when Terraform plans."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_alias == null || can(regex("^alias/[A-Za-z0-9/_-]+$", var.kms_key_alias))
    error_message = "kms_key_alias must be an alias' name, such as \"alias/data-lake\": give a key's ARN or id as kms_key_id."
  }
}

variable "former_kms_key_arns" {
  description = "Keys that artifacts were written under before the present one, by their ARNs: such artifacts may still be read, by the server, people, and the backup, and nothing new is written under these. Their own policies must let this account use them through S3."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.former_kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "former_kms_key_arns must be ARNs of keys, such as \"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\": IAM policies cannot name a key by its id or alias."
  }
}

variable "create_role" {
  description = "Whether the module makes the server's role. Set it to false and give `role_arn` to use one that exists."
  type        = bool
  default     = true
  nullable    = false
}

variable "role_arn" {
  description = "An existing role for the server. Needed when `create_role` is false. The module leaves it alone: it must trust `sagemaker.amazonaws.com`, and carry a policy like the output `mlflow_role_policy` before the server is created."
  type        = string
  default     = null

  validation {
    condition     = var.role_arn == null || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", var.role_arn))
    error_message = "role_arn must be a role's ARN, such as \"arn:aws:iam::111122223333:role/mlflow-server\"."
  }
}

variable "reader_role_names" {
  description = "Roles that get the policy `{project_name}-{environment}-mlflow-reader`, by name: they see runs, models and artifacts."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.reader_role_names : can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", name))])
    error_message = "reader_role_names must be names of roles, such as \"analysts\", not their ARNs."
  }
}

variable "writer_role_names" {
  description = "Roles that get the policy `{project_name}-{environment}-mlflow-writer`, by name: they also log runs, register models and, with `deployment_policy_document`, deploy them. They delete nothing that others made."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.writer_role_names : can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", name))])
    error_message = "writer_role_names must be names of roles, such as \"data-scientists\", not their ARNs."
  }
}

variable "admin_role_names" {
  description = "Roles that get the policy `{project_name}-{environment}-mlflow-admin`, by name: they also delete, recover, start and stop."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.admin_role_names : can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", name))])
    error_message = "admin_role_names must be names of roles, such as \"mlops\", not their ARNs."
  }
}

variable "readers_may_open_ui" {
  description = "Whether readers may open the UI. AWS does not say whether a UI session is held to the rest of its opener's rights, so turn it off where a reader must not be able to write under any circumstances. Writers and admins may always."
  type        = bool
  default     = true
  nullable    = false
}

variable "deployment_policy_document" {
  description = "What writers and admins need beside MLflow to deploy models, as the serving module's output of that name says. Null lets them deploy nothing."
  type        = string
  default     = null

  validation {
    condition     = var.deployment_policy_document == null || can(jsondecode(var.deployment_policy_document).Statement)
    error_message = "deployment_policy_document must be a policy in JSON, such as module.serving.deployment_policy_document."
  }
}

variable "additional_role_policies" {
  description = "Policies to attach to the server's role beside `MLflowBasicAccess`: a name of your choice (Terraform's address only) to a policy's ARN."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for arn in values(var.additional_role_policies) : can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", arn))])
    error_message = "additional_role_policies must map names to policy ARNs, such as { lineage = \"arn:aws:iam::111122223333:policy/lineage\" }."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds every role that the module makes (the server's, the schedule's, the backup's two), where your organisation asks for one. It must allow what they do."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be a policy's ARN, such as \"arn:aws:iam::111122223333:policy/boundary\"."
  }
}

variable "backup" {
  description = "A nightly, incremental backup of the active server into `backups/` in the artifact bucket: when (an EventBridge Scheduler expression and its time zone; the server must run then) and how many backups to keep. `repository` is the folder of a checkout with `scripts/`, where the module does not lie in one. Null: none."
  type = object({
    schedule_expression = optional(string, "cron(30 2 * * ? *)")
    timezone            = optional(string, "UTC")
    keep                = optional(number, 30)
    repository          = optional(string)
  })
  default = null

  validation {
    condition     = var.backup == null || can(regex("^(cron|rate)\\(.+\\)$", var.backup.schedule_expression))
    error_message = "backup.schedule_expression must be a cron or rate expression, such as \"cron(30 2 * * ? *)\" for every night at 2:30."
  }

  validation {
    condition     = var.backup == null || try(var.backup.keep >= 1 && floor(var.backup.keep) == var.backup.keep, false)
    error_message = "backup.keep must be a whole number of backups, one or more."
  }
}

variable "schedule" {
  description = "When to start and to stop the server, so that it costs nothing by the hour at night: two cron expressions of Amazon EventBridge Scheduler and the time zone that they are meant in, such as `{ start = \"cron(0 8 ? * MON-FRI *)\", stop = \"cron(0 20 ? * MON-FRI *)\", time_zone = \"Europe/Berlin\" }`. Nobody can log or look at a run meanwhile. Null lets it run day and night."
  type = object({
    start     = string
    stop      = string
    time_zone = optional(string, "UTC")
  })
  default = null

  validation {
    condition     = var.schedule == null || try(alltrue([for expression in [var.schedule.start, var.schedule.stop] : can(regex("^cron\\(([A-Z0-9*,/?#LW-]+ ){5}[0-9*,/-]+\\)$", expression))]), false)
    error_message = "schedule.start and schedule.stop must be cron expressions with six fields (minutes, hours, day of month, month, day of week, year), such as \"cron(0 8 ? * MON-FRI *)\"."
  }

  validation {
    # Scheduler refuses an expression that names both days or neither, in the middle of an apply.
    condition     = var.schedule == null || try(alltrue([for expression in [var.schedule.start, var.schedule.stop] : (split(" ", expression)[2] == "?") != (split(" ", expression)[4] == "?")]), false)
    error_message = "schedule.start and schedule.stop must have a \"?\" for either the day of month or the day of week, the third or the fifth field, as in \"cron(0 8 ? * MON-FRI *)\"."
  }

  validation {
    condition     = var.schedule == null || try(var.schedule.start != var.schedule.stop, false)
    error_message = "schedule.start and schedule.stop are the same: the server would be started and stopped at once."
  }

  validation {
    condition     = var.schedule == null || can(regex("^(UTC|[A-Z][A-Za-z]+(/[A-Za-z0-9_+-]+)+)$", var.schedule.time_zone))
    error_message = "schedule.time_zone must be a name of the IANA time zone database, such as \"Europe/Berlin\" or \"UTC\"."
  }
}

variable "notifications" {
  description = "Tells people when a server changes its state or fails, and when the schedule or a nightly backup fails: over a new, encrypted topic, or over the existing one of `topic_arn`, to whoever subscribes to it and to `emails`, who must each confirm a message from AWS first. `{}` makes just the topic; null tells nobody."
  type = object({
    topic_arn = optional(string)
    emails    = optional(set(string), [])
  })
  default = null

  validation {
    condition     = try(var.notifications.topic_arn, null) == null || can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$", var.notifications.topic_arn))
    error_message = "notifications.topic_arn must be the ARN of a standard topic, such as \"arn:aws:sns:us-east-1:111122223333:platform\": a FIFO topic takes no events."
  }

  validation {
    condition     = alltrue([for email in try(var.notifications.emails, []) : can(regex("^[^@\\s]+@[^@\\s]+[.][^@\\s]+$", email))])
    error_message = "notifications.emails must be e-mail addresses, such as [\"team@example.com\"]."
  }
}

variable "monthly_budget_usd" {
  description = "Tells the topic of `notifications` when a month has cost four fifths of so many US dollars, and when it is about to cost more. Everything that carries the tag `project` with the project's name counts, in every environment of the account, once somebody has activated `project` as a cost allocation tag. Null sets no budget."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null || try(var.monthly_budget_usd >= 1, false)
    error_message = "monthly_budget_usd must be a number of US dollars, 1 or more, or null for no budget."
  }
}

variable "publish_parameters" {
  description = "Whether what clients need to know is published in SSM Parameter Store, under `/{project_name}/{environment}/`, for those who may not read Terraform's state."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags for everything the module makes, beside the provider's default_tags."
  type        = map(string)
  default     = {}
  nullable    = false
}
