# Written by `make docs` from the inputs of module platform. Do not edit: change them there.

variable "project_name" {
  description = "First part of every name, usually \"mlflow\" or the team's. Part of the role's name, and a server's role cannot change: renaming it later replaces the server and loses its runs."
  type        = string
  nullable    = false
}

variable "environment" {
  description = "Second part of every name, such as \"staging\" or \"prod\". Renaming it later replaces the server, as with `project_name`."
  type        = string
  nullable    = false
}

variable "mlflow_version" {
  description = "MLflow version of the active tracking server, as major.minor; `mlflow_versions.json` lists the supported ones. Each version is a server of its own, because AWS cannot upgrade a server in place. If you change only this input, Terraform deletes the old server **with its experiments and runs**: use `make upgrade`, which copies them first."
  type        = string
  default     = "3.0"
  nullable    = false
}

variable "retained_mlflow_versions" {
  description = "MLflow versions of further servers that are kept beside the active one: a new server before it becomes active, or an old one until you retire it. If you remove a version, Terraform deletes its server with all experiments and runs. `make upgrade` and `make retire` change this input."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "tracking_server_size" {
  description = "Small, Medium or Large: for teams of up to 25, 50 or 100 people. It can be changed later without losing anything."
  type        = string
  default     = "Small"
  nullable    = false
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
}

variable "artifact_store_uri" {
  description = "An existing bucket, or a prefix in one, for the artifacts: `s3://bucket` or `s3://bucket/prefix`, in the server's region. Needed when `create_s3_bucket` is false. The module leaves that bucket's settings and policy alone."
  type        = string
  default     = null
}

variable "noncurrent_version_expiration_days" {
  description = "An artifact that was overwritten or deleted can be recovered for so many days, and is then gone. Null keeps every version for ever, and pays for it."
  type        = number
  default     = 90
}

variable "artifact_transition" {
  description = "Moves artifacts into a cheaper storage class so many days after they were written, such as `{ days = 90, storage_class = \"STANDARD_IA\" }`. Only classes that can be read at once are taken: MLflow and endpoints cannot wait for an archive."
  type = object({
    days          = number
    storage_class = string
  })
  default = null
}

variable "deleted_artifact_expiration_days" {
  description = "Deletes objects that carry the tag `mlflow.deleted` = `true` once they are so many days old, counted from their creation and not from the tagging; they can be recovered for `noncurrent_version_expiration_days` after that. Nobody sets this tag for you: see the README. Null keeps them."
  type        = number
  default     = null
}

variable "access_logs" {
  description = "Where S3 writes who read and wrote which artifact: a bucket of the same account and region that lets `logging.s3.amazonaws.com` put objects, and a prefix (the artifact bucket's name and a slash, unless given)."
  type = object({
    bucket = string
    prefix = optional(string)
  })
  default = null
}

variable "cors_allowed_origins" {
  description = "Web addresses whose pages may show artifacts from the bucket, such as your Studio domain's, `https://d-abcdefghijkl.studio.us-east-1.sagemaker.aws`: reading only."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "kms_key_administrator_arns" {
  description = "The roles and users that alone administer the new key: enable, disable, rotate, tag, schedule its deletion. Name the one that runs Terraform as well, or it cannot change the key. Left empty, the account's IAM policies decide. None of them has a right to decrypt by it, but as they answer for its policy, they could give themselves one."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "kms_key_deletion_window_days" {
  description = "How long the new key can still be saved after somebody scheduled its deletion; with it goes every artifact."
  type        = number
  default     = 30
  nullable    = false
}

variable "kms_key_id" {
  description = "An existing key that encrypts the artifacts: its ARN, or its id where it is in this account and region. With an existing bucket, the key that it uses, so that roles may use it too. The key's own policy must let them."
  type        = string
  default     = null
}

variable "kms_key_alias" {
  description = "An existing key by its alias in this account and region, in place of `kms_key_id`: the key that the alias means when Terraform plans."
  type        = string
  default     = null
}

variable "former_kms_key_arns" {
  description = "Keys that artifacts were written under before the present one, by their ARNs: such artifacts may still be read, by the server, people, and the backup, and nothing new is written under these. Their own policies must let this account use them through S3."
  type        = list(string)
  default     = []
  nullable    = false
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
}

variable "reader_role_names" {
  description = "Roles that get the policy `{project_name}-{environment}-mlflow-reader`, by name: they see runs, models and artifacts."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "writer_role_names" {
  description = "Roles that get the policy `{project_name}-{environment}-mlflow-writer`, by name: they also log runs, register models and, with `deployment_policy_document`, deploy them. They delete nothing that others made."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "admin_role_names" {
  description = "Roles that get the policy `{project_name}-{environment}-mlflow-admin`, by name: they also delete, recover, start and stop."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "readers_may_open_ui" {
  description = "Whether readers may open the UI. AWS does not say whether a UI session is held to the rest of its opener's rights, so turn it off where a reader must not be able to write under any circumstances. Writers and admins may always."
  type        = bool
  default     = true
  nullable    = false
}

variable "additional_role_policies" {
  description = "Policies to attach to the server's role beside `MLflowBasicAccess`: a name of your choice (Terraform's address only) to a policy's ARN."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds every role that the module makes (the server's, the schedule's, the backup's two), where your organisation asks for one. It must allow what they do."
  type        = string
  default     = null
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
}

variable "schedule" {
  description = "When to start and to stop the server, so that it costs nothing by the hour at night: two cron expressions of Amazon EventBridge Scheduler and the time zone that they are meant in, such as `{ start = \"cron(0 8 ? * MON-FRI *)\", stop = \"cron(0 20 ? * MON-FRI *)\", time_zone = \"Europe/Berlin\" }`. Nobody can log or look at a run meanwhile. Null lets it run day and night."
  type = object({
    start     = string
    stop      = string
    time_zone = optional(string, "UTC")
  })
  default = null
}

variable "notifications" {
  description = "Tells people when a server changes its state or fails, and when the schedule or a nightly backup fails: over a new, encrypted topic, or over the existing one of `topic_arn`, to whoever subscribes to it and to `emails`, who must each confirm a message from AWS first. `{}` makes just the topic; null tells nobody."
  type = object({
    topic_arn = optional(string)
    emails    = optional(set(string), [])
  })
  default = null
}

variable "monthly_budget_usd" {
  description = "Tells the topic of `notifications` when a month has cost four fifths of so many US dollars, and when it is about to cost more. Everything that carries the tag `project` with the project's name counts, in every environment of the account, once somebody has activated `project` as a cost allocation tag. Null sets no budget."
  type        = number
  default     = null
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

variable "mlflow_image_repository" {
  description = "Repository in the same account and region that endpoints may pull from beside this module's: the one that `mlflow sagemaker build-and-push-container` fills and that MLflow deploys from by default. Null for none."
  type        = string
  default     = "mlflow-pyfunc"
}
