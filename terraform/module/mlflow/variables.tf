variable "project_name" {
  description = "First part of every name, such as \"mlflow\" or a team's name. The server role's name contains it, and a server's role cannot change: if you rename the project later, Terraform replaces the server and its runs are lost."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.project_name))
    error_message = "project_name is \"${var.project_name}\": use lower-case letters, digits and single hyphens, as in \"mlflow\" (it becomes part of the bucket's name)."
  }
}

variable "environment" {
  description = "Second part of every name, such as \"staging\" or \"prod\". If you rename it later, Terraform replaces the server, as with `project_name`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9])*$", var.environment))
    error_message = "environment is \"${var.environment}\": use lower-case letters, digits and single hyphens, as in \"staging\" (it becomes part of the bucket's name)."
  }
}

variable "backend" {
  description = "What runs MLflow: `server`, a tracking server with a size, a version and an hourly price, or `serverless`, an MLflow App, which CloudFormation creates. An App has no size, schedule, choice of version or read-only access. A change replaces one by the other, which is empty: see docs/guides/mlflow-app.md."
  type        = string
  default     = "server"
  nullable    = false

  validation {
    condition     = contains(["server", "serverless"], var.backend)
    error_message = "backend is \"${var.backend}\": use \"server\" for a tracking server or \"serverless\" for an MLflow App."
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

variable "tracking_server_name_override" {
  description = "Names of servers that were not created by this module, by MLflow version, such as `{ \"3.0\" = \"my-server\" }`. Keep an entry for as long as its server exists: without it, Terraform replaces the server and its runs are lost. See docs/guides/adopt-existing.md."
  type        = map(string)
  default     = {}
  nullable    = false

  # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateMlflowTrackingServer.html
  validation {
    condition     = alltrue([for name in values(var.tracking_server_name_override) : can(regex("^[A-Za-z0-9](-*[A-Za-z0-9]){0,255}$", name))])
    error_message = "tracking_server_name_override must map MLflow versions to names of tracking servers, such as { \"3.0\" = \"my-server\" }."
  }

  validation {
    condition     = alltrue([for version in keys(var.tracking_server_name_override) : contains(keys(jsondecode(file("${path.module}/mlflow_versions.json")).versions), version)])
    error_message = "The keys of tracking_server_name_override must be supported versions, as major.minor: ${join(", ", keys(jsondecode(file("${path.module}/mlflow_versions.json")).versions))}."
  }

  validation {
    condition     = length(distinct(values(var.tracking_server_name_override))) == length(var.tracking_server_name_override)
    error_message = "tracking_server_name_override names a server twice. There is one server per version."
  }
}

variable "tracking_server_size" {
  description = "Small, Medium or Large: for teams of up to 25, 50 or 100 people. You can change it later without losing data."
  type        = string
  default     = "Small"
  nullable    = false

  validation {
    condition     = contains(["Small", "Medium", "Large"], var.tracking_server_size)
    error_message = "tracking_server_size is \"${var.tracking_server_size}\": use \"Small\", \"Medium\" or \"Large\"."
  }
}

variable "automatic_model_registration" {
  description = "Whether a model version registered in MLflow also appears as a model package in the SageMaker registry. The AWS provider never sends a change from true to false. To turn it off, also run `aws sagemaker update-mlflow-tracking-server --no-automatic-model-registration`; otherwise every plan shows the difference."
  type        = bool
  default     = true
  nullable    = false
}

variable "weekly_maintenance_window_start" {
  description = "Day and time, in UTC, at which AWS may start the weekly maintenance of the server, such as \"Tue:13:30\". Null lets AWS choose."
  type        = string
  default     = null

  validation {
    condition     = var.weekly_maintenance_window_start == null || can(regex("^(Mon|Tue|Wed|Thu|Fri|Sat|Sun):([01][0-9]|2[0-3]):[0-5][0-9]$", var.weekly_maintenance_window_start))
    error_message = "weekly_maintenance_window_start must be a day and a 24-hour UTC time, such as \"Tue:03:30\" (Mon, Tue, Wed, Thu, Fri, Sat or Sun)."
  }
}

variable "create_s3_bucket" {
  description = "Whether the module creates the artifact bucket. To use an existing bucket, set it to false and set `artifact_store_uri`."
  type        = bool
  default     = true
  nullable    = false
}

variable "bucket_name_suffix" {
  description = "Last part of the new bucket's name, `{project_name}-{environment}-mlflow-artifacts-{bucket_name_suffix}`. Bucket names are shared by all AWS accounts, so choose a unique suffix. Required if `create_s3_bucket` is true."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_name_suffix == null || can(regex("^[a-z0-9](-?[a-z0-9])*$", var.bucket_name_suffix))
    error_message = "bucket_name_suffix must be lower-case letters, digits and single hyphens, as in \"acme-staging\": S3 takes no capitals, underscores or spaces in a bucket's name."
  }
}

variable "bucket_name_override" {
  description = "Whole name of the bucket, instead of the one with `bucket_name_suffix`. With an `import` block, the module manages a bucket that exists already: see docs/guides/adopt-existing.md. Unlike a bucket in `artifact_store_uri`, it gets the module's settings and policy."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_name_override == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket_name_override)) && !can(regex(local.refused_bucket, var.bucket_name_override))
    error_message = "bucket_name_override must be a bucket's name, such as \"acme-ml\", without \"s3://\" or a prefix. ${local.bucket_rule}"
  }
}

variable "artifact_store_uri" {
  description = "Existing bucket, or a prefix in one, for the artifacts: `s3://bucket` or `s3://bucket/prefix`, in the server's region. Required if `create_s3_bucket` is false. The module does not change that bucket's settings or policy. Existing runs keep their old artifact location if you change this: see `former_artifact_store_uris`."
  type        = string
  default     = null

  validation {
    condition     = var.artifact_store_uri == null || can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/*?]+)*/?$", var.artifact_store_uri)) && !can(regex(local.refused_bucket, var.artifact_store_uri))
    error_message = "artifact_store_uri must look like \"s3://bucket\" or \"s3://bucket/prefix\". ${local.store_rule}"
  }
}

variable "former_artifact_store_uris" {
  description = "Artifact stores that this environment used before, such as `[\"s3://old-bucket/mlflow\"]`. Runs keep the artifact location that they were created with, so the server, clients, endpoints and backups may still read there. Nothing new is written there."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for uri in var.former_artifact_store_uris : can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/*?]+)*/?$", uri)) && !can(regex(local.refused_bucket, uri))])
    error_message = "former_artifact_store_uris must look like \"s3://bucket\" or \"s3://bucket/prefix\". ${local.store_rule}"
  }
}

variable "dangerously_delete_artifacts_on_destroy" {
  description = "Allows `terraform destroy` to delete the bucket with all models and artifacts in it, including old versions. If false, AWS refuses to delete a bucket that contains objects. Apply it before you destroy."
  type        = bool
  default     = false
  nullable    = false
}

variable "noncurrent_version_expiration_days" {
  description = "Number of days for which an overwritten or deleted artifact can be recovered. Null keeps (and bills) every version forever."
  type        = number
  default     = 90

  validation {
    # S3's days are integers of 32 bits: https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html
    condition     = var.noncurrent_version_expiration_days == null || try(var.noncurrent_version_expiration_days >= 1 && var.noncurrent_version_expiration_days <= 2147483647 && floor(var.noncurrent_version_expiration_days) == var.noncurrent_version_expiration_days, false)
    error_message = "noncurrent_version_expiration_days must be a whole number of days from 1 to 2147483647, or null to keep every version."
  }
}

variable "artifact_transition" {
  description = "Moves artifacts to a cheaper storage class this many days after they were written, such as `{ days = 90, storage_class = \"STANDARD_IA\" }`. Only classes with immediate access are allowed, because MLflow and endpoints cannot wait for a restore."
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
    # S3's days are integers of 32 bits: https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html
    condition     = var.artifact_transition == null || try(floor(var.artifact_transition.days) == var.artifact_transition.days && var.artifact_transition.days <= 2147483647 && var.artifact_transition.days >= (var.artifact_transition.storage_class == "STANDARD_IA" ? 30 : 0), false)
    error_message = "artifact_transition.days must be a whole number of days up to 2147483647, and 30 or more for STANDARD_IA, which S3 takes no younger objects into."
  }
}

variable "deleted_artifact_expiration_days" {
  description = "Deletes objects with the tag `mlflow.deleted` = `true` this many days after they were created (not after they were tagged). They can be recovered for `noncurrent_version_expiration_days` after that. No tool sets this tag automatically: see the README. Null keeps them."
  type        = number
  default     = null

  validation {
    # S3's days are integers of 32 bits: https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html
    condition     = var.deleted_artifact_expiration_days == null || try(var.deleted_artifact_expiration_days >= 1 && var.deleted_artifact_expiration_days <= 2147483647 && floor(var.deleted_artifact_expiration_days) == var.deleted_artifact_expiration_days, false)
    error_message = "deleted_artifact_expiration_days must be a whole number of days from 1 to 2147483647, or null to keep them."
  }
}

variable "object_lock" {
  description = "Default retention of every object version in the new bucket, such as `{ mode = \"GOVERNANCE\", days = 30 }`. Until it ends, the version cannot be deleted; in `COMPLIANCE` mode not even the account's root user, so `terraform destroy` fails until then. S3 never turns Object Lock off again once a bucket has it. Uploads must then carry a checksum, as AWS's SDKs and CLI send it. Null sets none."
  type = object({
    mode = string
    days = number
  })
  default = null

  validation {
    condition     = var.object_lock == null || try(contains(["COMPLIANCE", "GOVERNANCE"], var.object_lock.mode), false)
    error_message = "object_lock.mode must be \"GOVERNANCE\" or \"COMPLIANCE\"."
  }

  validation {
    # AWS documents no largest number. This is that of S3 Object Lock in other stores, such as
    # https://docs.netapp.com/us-en/storagegrid-118/tenant/update-default-retention-settings.html: a typing error in COMPLIANCE mode lasts.
    condition     = var.object_lock == null || try(var.object_lock.days >= 1 && var.object_lock.days <= 36500 && floor(var.object_lock.days) == var.object_lock.days, false)
    error_message = "object_lock.days must be a whole number of days from 1 to 36500 (100 years)."
  }

  validation {
    condition     = var.object_lock == null || var.create_s3_bucket
    error_message = "object_lock is a setting of a new bucket, and the module does not change an existing one. Remove object_lock, or set create_s3_bucket = true."
  }
}

variable "replication" {
  description = "Copies every new object version of the new bucket to another bucket with versioning, such as `{ bucket_arn = \"arn:aws:s3:::acme-mlflow-copy\" }`. `kms_key_arn` is a key in the destination's region, needed when the artifacts have a customer key. `account_id` is the destination's account, if it is another one; its owner must allow the role of the output `replication_role_arn`. If the artifact bucket has, or ever had, `object_lock`, the destination needs Object Lock too. Deletions are not replicated. An alarm reports objects that were not copied; AWS bills the metrics for it (about 1 USD a month). Null sets none."
  type = object({
    bucket_arn    = string
    account_id    = optional(string)
    kms_key_arn   = optional(string)
    storage_class = optional(string, "STANDARD")
  })
  default = null

  validation {
    condition     = var.replication == null || can(regex("^arn:${local.partition}:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.replication.bucket_arn)) && !can(regex(local.refused_bucket, var.replication.bucket_arn))
    error_message = "replication.bucket_arn must be a bucket's ARN, such as \"arn:${local.partition}:s3:::acme-mlflow-copy\". ${local.bucket_rule}"
  }

  validation {
    condition     = try(var.replication.account_id, null) == null || can(regex("^[0-9]{12}$", var.replication.account_id))
    error_message = "replication.account_id must be a 12-digit account id, such as \"111122223333\"."
  }

  validation {
    condition     = try(var.replication.kms_key_arn, null) == null || can(regex("^arn:${local.partition}:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.replication.kms_key_arn))
    error_message = "replication.kms_key_arn must be a key's ARN, such as \"arn:${local.partition}:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\"."
  }

  validation {
    condition     = var.replication == null || try(contains(["GLACIER_IR", "INTELLIGENT_TIERING", "STANDARD", "STANDARD_IA"], var.replication.storage_class), false)
    error_message = "replication.storage_class must be \"STANDARD\", \"STANDARD_IA\", \"INTELLIGENT_TIERING\" or \"GLACIER_IR\"."
  }

  validation {
    condition     = var.replication == null || var.create_s3_bucket
    error_message = "replication is a setting of a new bucket, and the module does not change an existing one. Remove replication, or set create_s3_bucket = true."
  }
}

variable "access_logs" {
  description = "Where S3 writes its access logs: a bucket in the same account and region that allows `logging.s3.amazonaws.com` to put objects, and a key prefix (default: the artifact bucket's name and a slash)."
  type = object({
    bucket = string
    prefix = optional(string)
  })
  default = null

  validation {
    condition     = var.access_logs == null || try(can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.access_logs.bucket)) && !can(regex(local.refused_bucket, var.access_logs.bucket)), false)
    error_message = "access_logs.bucket must be a bucket's name, such as \"acme-access-logs\", without \"s3://\" or \"arn:\". ${local.bucket_rule}"
  }

  validation {
    # A log's key is the prefix, a time and a random part, and a key has 1,024 bytes at most. Terraform would replace an empty one by the default.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
    condition     = try(var.access_logs.prefix, null) == null || can(regex("^[A-Za-z0-9!_.*'()/=-]{1,900}$", var.access_logs.prefix))
    error_message = "access_logs.prefix must be a key prefix of 1 to 900 characters, letters, digits and ! - _ . * ' ( ) / = only, such as \"mlflow/prod/\". For the artifact bucket's name, leave it out."
  }
}

variable "data_events" {
  description = "Records who wrote or deleted which artifact, and who changed what in MLflow, as data events of a CloudTrail trail. `bucket` is an existing bucket for the logs, whose owner allows what the output `data_events_bucket_policy` says; the logs are below `prefix` (optional), and encrypted with `kms_key_arn` if its policy allows CloudTrail that. `reads` (false) also records reads, which are many more. AWS charges 0.10 USD for 100,000 events, and for the stored logs. Of an MLflow App, only the artifacts are recorded. Null records nothing."
  type = object({
    bucket      = string
    prefix      = optional(string)
    kms_key_arn = optional(string)
    reads       = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.data_events == null || try(can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.data_events.bucket)) && !can(regex(local.refused_bucket, var.data_events.bucket)), false)
    error_message = "data_events.bucket must be a bucket's name, such as \"acme-trails\", without \"s3://\" or \"arn:\". ${local.bucket_rule}"
  }

  # https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html
  validation {
    condition     = try(var.data_events.prefix, null) == null || try(can(regex("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$", var.data_events.prefix)) && length(var.data_events.prefix) <= 200, false)
    error_message = "data_events.prefix must be a key prefix of up to 200 characters without a slash at its ends, such as \"mlflow/prod\"."
  }

  validation {
    condition     = try(var.data_events.kms_key_arn, null) == null || can(regex("^arn:${local.partition}:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.data_events.kms_key_arn))
    error_message = "data_events.kms_key_arn must be a key's ARN, such as \"arn:${local.partition}:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\"."
  }
}

variable "cors_allowed_origins" {
  description = "Web origins whose pages may read artifacts from the bucket, such as your Studio domain, `https://d-abcdefghijkl.studio.us-east-1.sagemaker.aws`."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.cors_allowed_origins : can(regex("^https://[a-z0-9-]*[a-z0-9*-][a-z0-9-]*([.][a-z0-9-]+)+(:[0-9]{1,5})?$", origin))])
    error_message = "cors_allowed_origins must be https origins without a path, such as \"https://d-abcdefghijkl.studio.us-east-1.sagemaker.aws\"."
  }
}

variable "kms_key_id" {
  description = "Existing KMS key that encrypts the artifacts: its ARN, or its id if it is in this account and region. Short for `kms = { key_id = … }`."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_id == null || can(regex("^(arn:${local.partition}:kms:[a-z0-9-]+:[0-9]{12}:key/)?(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$", var.kms_key_id))
    error_message = "kms_key_id must be a key's ARN or id, such as \"arn:${local.partition}:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\". For an alias, use kms = { alias = ... }."
  }

  validation {
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    condition     = !can(regex("^arn:", var.kms_key_id)) || try(split(":", var.kms_key_id)[3] == local.region, true)
    error_message = "kms_key_id is a key of another region, and S3 encrypts with keys of the bucket's region only. Name a key in ${local.region}."
  }
}

variable "kms" {
  description = "Encryption of the artifacts. `create` makes a KMS key for the new bucket; `key_id` (ARN or id) or `alias` names an existing one, whose own policy must allow its use. Without a key, S3-managed keys (SSE-S3) encrypt. `former_key_arns`: keys of older artifacts, which stay readable. For a new key: `administrator_arns` are the only roles and users that may administer it (empty: the account's IAM policies decide) and must include the caller of Terraform, a role with its path (Terraform then needs `iam:GetRole` on its own role), unless `skip_caller_check` is true (for a role that only plans); `deletion_window_days` is KMS's waiting period. `allow_aws_managed_key` accepts uploads that ask for `aws:kms` without a key id, which S3 encrypts under the account's `aws/s3` key instead of yours."
  type = object({
    create                = optional(bool, false)
    key_id                = optional(string)
    alias                 = optional(string)
    former_key_arns       = optional(list(string), [])
    administrator_arns    = optional(list(string), [])
    skip_caller_check     = optional(bool, false)
    deletion_window_days  = optional(number, 30)
    allow_aws_managed_key = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.kms.key_id == null || can(regex("^(arn:${local.partition}:kms:[a-z0-9-]+:[0-9]{12}:key/)?(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$", var.kms.key_id))
    error_message = "kms.key_id must be a key's ARN or id, such as \"arn:${local.partition}:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\". For an alias, use kms.alias."
  }

  validation {
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    condition     = !can(regex("^arn:", var.kms.key_id)) || try(split(":", var.kms.key_id)[3] == local.region, true)
    error_message = "kms.key_id is a key of another region, and S3 encrypts with keys of the bucket's region only. Name a key in ${local.region}."
  }

  validation {
    condition     = var.kms.alias == null || can(regex("^alias/[A-Za-z0-9/_-]{1,250}$", var.kms.alias))
    error_message = "kms.alias must be an alias name, such as \"alias/data-lake\". For a key's ARN or id, use kms.key_id."
  }

  validation {
    condition     = alltrue([for arn in var.kms.former_key_arns : can(regex("^arn:${local.partition}:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "kms.former_key_arns must be key ARNs, such as \"arn:${local.partition}:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\": IAM policies cannot name a key by its id or alias."
  }

  validation {
    # A key policy allows no wildcard in a principal, and the ARN of a session would stop working after the session.
    condition     = alltrue([for arn in var.kms.administrator_arns : can(regex("^arn:${local.partition}:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "kms.administrator_arns must be ARNs of roles or users, such as \"arn:${local.partition}:iam::111122223333:role/key-admin\", without wildcards."
  }

  validation {
    condition     = try(var.kms.deletion_window_days >= 7 && var.kms.deletion_window_days <= 30 && floor(var.kms.deletion_window_days) == var.kms.deletion_window_days, false)
    error_message = "kms.deletion_window_days must be a whole number of days from 7 to 30."
  }

  validation {
    condition     = (var.kms.create ? 1 : 0) + (var.kms.key_id == null ? 0 : 1) + (var.kms.alias == null ? 0 : 1) + (var.kms_key_id == null ? 0 : 1) <= 1
    error_message = "kms names more than one key. Set only one of kms.create, kms.key_id, kms.alias and kms_key_id."
  }

  validation {
    condition     = var.kms.create || length(var.kms.administrator_arns) == 0
    error_message = "kms.administrator_arns applies to a new key, and none is created. Set kms.create = true, or name the administrators in the existing key's own policy."
  }

  validation {
    condition     = !var.kms.create || var.create_s3_bucket
    error_message = "kms.create makes a key for a new bucket, and none is created. With artifact_store_uri, set kms.key_id to the key that the existing bucket uses."
  }
}

variable "create_role" {
  description = "Whether the module creates the server's role. To use an existing role, set it to false and set `role_arn`."
  type        = bool
  default     = true
  nullable    = false
}

variable "role_arn" {
  description = "Existing role for the server. Required if `create_role` is false. The module does not change it: it must trust `sagemaker.amazonaws.com` and have a policy like the output `mlflow_role_policy` before the server is created."
  type        = string
  default     = null

  validation {
    condition     = var.role_arn == null || can(regex("^arn:${local.partition}:iam::[0-9]{12}:role/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]{1,64}$", var.role_arn))
    error_message = "role_arn must be a role's ARN, such as \"arn:${local.partition}:iam::111122223333:role/mlflow-server\"."
  }
}

variable "role_name_override" {
  description = "Name of the server's role, instead of `{project_name}-{environment}-mlflow-role`, with its path if it has one, such as \"service-role/AmazonSageMaker-ExecutionRole-20260101T000000\". Without one its path is \"/\", whatever `iam_path` is. With an `import` block, the module manages a role that exists already: see docs/guides/adopt-existing.md."
  type        = string
  default     = null

  validation {
    condition     = var.role_name_override == null || can(regex("^([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]{1,64}$", var.role_name_override)) && try(length(var.role_name_override) <= 512, false)
    error_message = "role_name_override must be a role's name, such as \"mlflow-server\", or its path and name, such as \"service-role/mlflow-server\", without a slash before them. It is not the role's ARN."
  }
}

variable "harden_server_role" {
  description = "Restricts the server's role more than AWS documents: the trust policy requires `aws:SourceAccount`, and S3 rights are the four actions that MLflow's code calls instead of `s3:Get*`, `s3:Put*` and `s3:List*`. This was tested on localaws, not on AWS. If AWS needs more, creating a server fails after up to 25 minutes (`CreateFailed`): try it in staging first."
  type        = bool
  default     = false
  nullable    = false
}

variable "exclusive_role_policies" {
  description = "Whether Terraform removes policies that were attached to the module's roles outside Terraform. Set it to false if other tools attach policies to them; for your own, use `additional_role_policies`."
  type        = bool
  default     = true
  nullable    = false
}

variable "reader_role_names" {
  description = "Names of existing roles that may see runs, models and artifacts. The module attaches the reader policies to them."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.reader_role_names : can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", name))])
    error_message = "reader_role_names must be names of roles, such as \"analysts\", not their ARNs."
  }

  validation {
    condition     = !anytrue([for name in var.reader_role_names : can(regex("^AWS(ReservedSSO_|ServiceRoleFor)", name))])
    error_message = "reader_role_names contains a role of IAM Identity Center (AWSReservedSSO_...) or of a service (AWSServiceRoleFor...), and AWS refuses changes to those. For a role of Identity Center, reference the policies of output client_policy_names in the permission set, or copy output client_policy_documents into its inline policy."
  }
}

variable "writer_role_names" {
  description = "Names of existing roles that may also log runs, register models and, with `deployment_policy_document`, deploy them. They cannot delete what others made. The module attaches the writer policies to them."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.writer_role_names : can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", name))])
    error_message = "writer_role_names must be names of roles, such as \"data-scientists\", not their ARNs."
  }

  validation {
    condition     = !anytrue([for name in var.writer_role_names : can(regex("^AWS(ReservedSSO_|ServiceRoleFor)", name))])
    error_message = "writer_role_names contains a role of IAM Identity Center (AWSReservedSSO_...) or of a service (AWSServiceRoleFor...), and AWS refuses changes to those. For a role of Identity Center, reference the policies of output client_policy_names in the permission set, or copy output client_policy_documents into its inline policy."
  }
}

variable "admin_role_names" {
  description = "Names of existing roles that may also delete and restore, and start and stop the server. The module attaches the admin policies to them."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.admin_role_names : can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", name))])
    error_message = "admin_role_names must be names of roles, such as \"mlops\", not their ARNs."
  }

  validation {
    condition     = !anytrue([for name in var.admin_role_names : can(regex("^AWS(ReservedSSO_|ServiceRoleFor)", name))])
    error_message = "admin_role_names contains a role of IAM Identity Center (AWSReservedSSO_...) or of a service (AWSServiceRoleFor...), and AWS refuses changes to those. For a role of Identity Center, reference the policies of output client_policy_names in the permission set, or copy output client_policy_documents into its inline policy."
  }
}

variable "deletion_protected_from_role_names" {
  description = "Names of existing roles that may not delete this environment's tracking servers, its App and the App's stack, such as the role that applies this configuration. A plan that would delete or replace one then fails when it is applied, with AccessDenied, and the server stays. To delete one, first remove the role from this input and apply."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.deletion_protected_from_role_names : can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", name))])
    error_message = "deletion_protected_from_role_names must be names of roles, such as \"terraform\", not their ARNs."
  }

  validation {
    condition     = !anytrue([for name in var.deletion_protected_from_role_names : can(regex("^AWS(ReservedSSO_|ServiceRoleFor)", name))])
    error_message = "deletion_protected_from_role_names contains a role of IAM Identity Center (AWSReservedSSO_...) or of a service (AWSServiceRoleFor...), and AWS refuses changes to those. For a role of Identity Center, copy output deletion_protection_policy into the inline policy of the permission set."
  }
}

variable "verify_client_roles" {
  description = "Whether the plan fails if a role of `reader_role_names`, `writer_role_names`, `admin_role_names` or `deletion_protected_from_role_names` does not exist (needs `iam:ListRoles`). Set it to false if the same configuration creates these roles."
  type        = bool
  default     = true
  nullable    = false
}

variable "readers_may_open_ui" {
  description = "Whether readers may open the UI. AWS does not document whether a UI session is limited to the other rights of the person who opened it. Set it to false if a reader must never be able to write. Writers and admins may always open it."
  type        = bool
  default     = true
  nullable    = false
}

variable "deployment_policy_document" {
  description = "Permissions for writers and admins to deploy models, as JSON: the output of the same name of the serving module. Null lets them deploy nothing."
  type        = string
  default     = null

  validation {
    condition     = var.deployment_policy_document == null || can(jsondecode(var.deployment_policy_document).Statement)
    error_message = "deployment_policy_document must be a policy in JSON, such as module.serving.deployment_policy_document."
  }
}

variable "create_deployment_policy" {
  description = "Whether the module makes the policy `{project_name}-{environment}-mlflow-deployment` of `deployment_policy_document`. Null makes it when the document is given. Set it to true where Terraform does not know before the apply whether that is null (\"Invalid count argument\")."
  type        = bool
  default     = null
}

variable "additional_role_policies" {
  description = "More policies for the server's role: a name of your choice (used only in Terraform's address) to a policy's ARN."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(distinct(values(var.additional_role_policies))) == length(var.additional_role_policies)
    error_message = "additional_role_policies names a policy twice. If one of the two names were removed later, Terraform would detach the policy."
  }

  validation {
    condition     = alltrue([for arn in values(var.additional_role_policies) : can(regex("^arn:${local.partition}:iam::([0-9]{12}|aws):policy/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]+$", arn))])
    error_message = "additional_role_policies must map names to policy ARNs, such as { lineage = \"arn:${local.partition}:iam::111122223333:policy/lineage\" }."
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
  description = "ARN of the permissions boundary for every role that the module creates, if your organization requires one. It must allow what the roles do."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:${local.partition}:iam::([0-9]{12}|aws):policy/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be a policy's ARN, such as \"arn:${local.partition}:iam::111122223333:policy/boundary\"."
  }
}

variable "backup" {
  description = "A nightly, incremental backup of the active server; null makes none. `schedule_expression` and `timezone` say when (an EventBridge Scheduler expression; the server must run then; the default time zone is that of `schedule`, or else UTC; Scheduler skips a local time that the change to summer time leaves out, such as 2:30 in Europe), and `keep` how many backups to keep. An alarm is raised when none succeeded for `alarm_after_hours`. `destination_uri` writes to that bucket, which may be in another account, instead of `backups/` in the artifact store; `destination_kms_key_arn` is its key, and the output `backup_destination_policy` what its owner must allow. `vpc` runs the job in these subnets, and `package_index_url` installs Python packages from an index that needs no password instead of from PyPI. `repository` is the folder of a checkout of this repository, needed when the module was copied out of one."
  type = object({
    schedule_expression     = optional(string, "cron(30 2 * * ? *)")
    timezone                = optional(string)
    keep                    = optional(number, 30)
    alarm_after_hours       = optional(number, 26)
    destination_uri         = optional(string)
    destination_kms_key_arn = optional(string)
    vpc = optional(object({
      vpc_id             = string
      subnet_ids         = list(string)
      security_group_ids = list(string)
    }))
    package_index_url = optional(string)
    repository        = optional(string)
  })
  default = null

  validation {
    condition     = var.backup == null || can(regex("^(rate\\([1-9][0-9]* (minute|hour|day)s?\\)|${local.cron_expression})$", var.backup.schedule_expression))
    error_message = "backup.schedule_expression must be a rate expression, such as \"rate(1 day)\", or a cron expression with six fields (minute, hour, day of month, month, day of week and year, with a \"?\" for one of the two days), such as \"cron(30 2 * * ? *)\" for every night at 2:30."
  }

  validation {
    condition     = try(var.backup.timezone, null) == null || try(contains(local.time_zones, var.backup.timezone), false)
    error_message = "backup.timezone must be a name of the IANA time zone database, such as \"Europe/Berlin\" or \"UTC\"."
  }

  validation {
    condition     = var.backup == null || try(var.backup.keep >= 1 && var.backup.keep <= 10000 && floor(var.backup.keep) == var.backup.keep, false)
    error_message = "backup.keep must be a whole number of backups from 1 to 10000."
  }

  validation {
    # CloudWatch evaluates an alarm over seven days at most.
    condition     = var.backup == null || try(var.backup.alarm_after_hours >= 1 && var.backup.alarm_after_hours <= 168 && floor(var.backup.alarm_after_hours) == var.backup.alarm_after_hours, false)
    error_message = "backup.alarm_after_hours must be a whole number of hours from 1 to 168 (seven days), longer than the time between two backups."
  }

  validation {
    condition     = try(tonumber(regex("^rate\\(([0-9]+) ", var.backup.schedule_expression)[0]) * { minute = 1, hour = 60, day = 1440 }[regex("(minute|hour|day)s?\\)$", var.backup.schedule_expression)[0]] < var.backup.alarm_after_hours * 60, true)
    error_message = "backup.schedule_expression is \"${try(var.backup.schedule_expression, "")}\" and backup.alarm_after_hours is ${try(var.backup.alarm_after_hours, 26)}, so the alarm would be raised between any two backups. Back up more often, or set alarm_after_hours to more hours than are between two backups (168 at most)."
  }

  validation {
    condition     = try(var.backup.destination_uri, null) == null || can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/*?]+)*/?$", var.backup.destination_uri)) && !can(regex(local.refused_bucket, var.backup.destination_uri))
    error_message = "backup.destination_uri must look like \"s3://bucket\" or \"s3://bucket/prefix\". ${local.store_rule}"
  }

  validation {
    condition     = try(var.backup.destination_kms_key_arn, null) == null || (try(var.backup.destination_uri, null) != null && can(regex("^arn:${local.partition}:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.backup.destination_kms_key_arn)))
    error_message = "backup.destination_kms_key_arn must be the ARN of the key that encrypts the bucket of backup.destination_uri, such as \"arn:${local.partition}:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\"."
  }

  validation {
    # https://docs.aws.amazon.com/codebuild/latest/APIReference/API_VpcConfig.html
    condition     = try(var.backup.vpc, null) == null || try(can(regex("^vpc-[0-9a-f]+$", var.backup.vpc.vpc_id)) && contains(range(1, 17), length(var.backup.vpc.subnet_ids)) && contains(range(1, 6), length(var.backup.vpc.security_group_ids)) && alltrue([for id in var.backup.vpc.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))]) && alltrue([for id in var.backup.vpc.security_group_ids : can(regex("^sg-[0-9a-f]+$", id))]), false)
    error_message = "backup.vpc must name a VPC, 1 to 16 subnets and 1 to 5 security groups by their ids, such as { vpc_id = \"vpc-0123456789abcdef0\", subnet_ids = [\"subnet-0123456789abcdef0\"], security_group_ids = [\"sg-0123456789abcdef0\"] }."
  }

  validation {
    condition     = try(var.backup.package_index_url, null) == null || can(regex("^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%+/-]*)?$", var.backup.package_index_url))
    error_message = "backup.package_index_url must be an https address without a user name, password or query, such as \"https://packages.example.com/simple\"."
  }
}

variable "schedule" {
  description = "When EventBridge Scheduler starts and stops the server, to save its hourly cost: two cron expressions and their time zone, such as `{ start = \"cron(0 8 ? * MON-FRI *)\", stop = \"cron(0 20 ? * MON-FRI *)\", time_zone = \"Europe/Berlin\" }`. While the server is stopped, runs cannot be logged or seen. Null never stops it, and does not start a server that an earlier schedule has stopped."
  type = object({
    start     = string
    stop      = string
    time_zone = optional(string, "UTC")
  })
  default = null

  validation {
    condition     = var.schedule == null || try(alltrue([for expression in [var.schedule.start, var.schedule.stop] : can(regex("^${local.cron_expression}$", expression))]), false)
    error_message = "schedule.start and schedule.stop must be cron expressions with six fields (minute, hour, day of month, month, day of week and year) and must have a \"?\" for either the day of month or the day of week, such as \"cron(0 8 ? * MON-FRI *)\"."
  }

  validation {
    condition     = var.schedule == null || try(var.schedule.start != var.schedule.stop, false)
    error_message = "schedule.start and schedule.stop are the same: the server would be started and stopped at once."
  }

  validation {
    condition     = var.schedule == null || try(contains(local.time_zones, var.schedule.time_zone), false)
    error_message = "schedule.time_zone must be a name of the IANA time zone database, such as \"Europe/Berlin\" or \"UTC\"."
  }
}

variable "notifications" {
  # The type is any, so that Terraform knows from the names of the attributes whether a topic is given, even if that topic
  # is created in the same apply and its ARN is not known yet.
  description = "Sends messages when a server changes its state or fails, and when the schedule or a backup fails. `{ emails = [\"team@example.com\"] }` or `{}` creates an encrypted topic; `{ topic_arn = … }` uses an existing one. Each address must confirm a message from AWS first. Null sends nothing."
  type        = any
  default     = null

  validation {
    condition     = var.notifications == null || try(length(setsubtract(keys(var.notifications), ["topic_arn", "emails"])) == 0, false)
    error_message = "notifications must be an object with the attributes topic_arn and emails, both optional, such as { emails = [\"team@example.com\"] }."
  }

  validation {
    condition     = !can(var.notifications.topic_arn) || can(regex("^arn:${local.partition}:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$", var.notifications.topic_arn))
    error_message = "notifications.topic_arn must be the ARN of a standard topic, such as \"arn:${local.partition}:sns:us-east-1:111122223333:platform\"; a FIFO topic receives no events. For a new topic, leave topic_arn out."
  }

  validation {
    # Alarms and EventBridge rules take topics of their own region only: https://github.com/cds-snc/notification-terraform/pull/128
    condition     = !can(regex("^arn:", var.notifications.topic_arn)) || try(split(":", var.notifications.topic_arn)[3] == local.region, true)
    error_message = "notifications.topic_arn is a topic of another region, and alarms send to topics of their own region only. Name a topic in ${local.region}."
  }

  validation {
    condition     = !can(var.notifications.emails) || try(alltrue([for email in var.notifications.emails : can(regex("^[^@\\s]+@[^@\\s]+[.][^@\\s]+$", email))]), false)
    error_message = "notifications.emails must be a list of e-mail addresses, such as [\"team@example.com\"]."
  }
}

variable "monthly_budget_usd" {
  description = "Monthly budget in US dollars. The topic of `notifications` receives a message when 80 % of it is spent, and when the forecast exceeds it. AWS counts everything with the tag `project` of this project, in all environments of the account, after you activate `project` as a cost allocation tag. Null creates no budget."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null || try(var.monthly_budget_usd >= 1 && var.monthly_budget_usd <= 1000000000, false)
    error_message = "monthly_budget_usd must be a number of US dollars from 1 to 1,000,000,000, or null for no budget."
  }
}

variable "create_dashboard" {
  description = "Whether a CloudWatch dashboard shows the environment: alarms, starts and stops, backups, traffic, latency and errors of endpoints, drift, storage and cost. AWS charges for more than three dashboards in an account."
  type        = bool
  default     = false
  nullable    = false
}

variable "publish_parameters" {
  description = "Whether the outputs that clients need are published in SSM Parameter Store, under `/{project_name}/{environment}/`, for clients without access to the Terraform state."
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
