variable "allowed_account_ids" {
  description = "The AWS accounts that this environment may be applied to: with any other account's credentials, Terraform stops before it changes anything."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.allowed_account_ids) > 0 && alltrue([for id in var.allowed_account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "Say which AWS account this environment belongs to: set allowed_account_ids in terraform.tfvars, as in allowed_account_ids = [\"111122223333\"] (`aws sts get-caller-identity` shows yours)."
  }
}

variable "region" {
  description = "Region of the server and its bucket."
  type        = string
}

variable "project_name" {
  description = "First part of every name."
  type        = string
}

variable "environment" {
  description = "Second part of every name."
  type        = string
}

variable "bucket_name_suffix" {
  description = "Last part of the bucket's name, yours among everybody's on AWS."
  type        = string
}

variable "mlflow_version" {
  description = "MLflow version of the active server, as major.minor. Another version is another server: `make upgrade` changes it, without losing anything."
  type        = string
}

variable "retained_mlflow_versions" {
  description = "MLflow versions of the servers kept beside the active one. Taking one out deletes its server and its runs: that is what `make retire` is for."
  type        = list(string)
  default     = []
}

variable "tracking_server_size" {
  description = "Small, Medium or Large: up to 25, 50 or 100 people."
  type        = string
}

variable "automatic_model_registration" {
  description = "Whether models registered in MLflow also appear in the SageMaker registry."
  type        = bool
}

variable "weekly_maintenance_window_start" {
  description = "When AWS may restart the server each week, in UTC; null lets AWS choose."
  type        = string
  default     = null
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds every role, where your organisation asks for one."
  type        = string
  default     = null
}

variable "reader_role_names" {
  description = "Roles that may see runs, models and artifacts."
  type        = set(string)
  default     = []
}

variable "writer_role_names" {
  description = "Roles that may log runs, register and deploy models."
  type        = set(string)
  default     = []
}

variable "admin_role_names" {
  description = "Roles that may also delete, recover, start and stop."
  type        = set(string)
  default     = []
}

variable "access_logs" {
  description = "Bucket, and prefix in it, for the log of who read and wrote which artifact."
  type = object({
    bucket = string
    prefix = optional(string)
  })
  default = null
}

variable "kms_key_administrator_arns" {
  description = "Roles and users that alone administer the artifacts' key, the one that runs Terraform among them. Left empty, the account's IAM policies decide."
  type        = list(string)
  default     = []
}

variable "former_kms_key_arns" {
  description = "Keys that artifacts were written under before the present one, and may still be read under: see the runbook on rotating a key."
  type        = list(string)
  default     = []
}

variable "backup" {
  description = "A nightly backup of the server: see the module's README. Null: none."
  type = object({
    schedule_expression = optional(string)
    timezone            = optional(string)
    keep                = optional(number)
  })
  default = null
}

variable "schedule" {
  description = "When to start and stop the server: two cron expressions and their time zone; null lets it run day and night."
  type = object({
    start     = string
    stop      = string
    time_zone = optional(string, "UTC")
  })
  default = null
}

variable "notifications" {
  description = "Who hears of state changes and failures: an existing topic's ARN or none for a new one, and e-mail addresses; null tells nobody."
  type = object({
    topic_arn = optional(string)
    emails    = optional(set(string), [])
  })
  default = null
}

variable "monthly_budget_usd" {
  description = "US dollars a month beyond which the notifications' topic is told; null sets no budget."
  type        = number
  default     = null
}
