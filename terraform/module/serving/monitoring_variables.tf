variable "monitoring" {
  description = "A scheduled job that monitors the endpoints that capture data: a SageMaker processing job runs `scripts/monitor.py run` of this repository; null makes none. `image_uri` is an image in an ECR repository of this account and region, built from `monitoring/requirements.txt` of the serving module. `schedule_expression` and `timezone` say when (an EventBridge Scheduler expression; the tracking server must run then). An alarm is raised when no run was completed for `alarm_after_hours`. `arguments` are options of `monitor.py run`, such as `[\"--threshold\", \"accuracy=0.9\"]`. `repository` is the folder of a checkout of this repository, needed when the module was copied out of one."
  type = object({
    image_uri           = string
    schedule_expression = optional(string, "cron(15 * * * ? *)")
    timezone            = optional(string, "UTC")
    instance_type       = optional(string, "ml.t3.medium")
    volume_size_gb      = optional(number, 20)
    timeout_minutes     = optional(number, 55)
    alarm_after_hours   = optional(number, 3)
    arguments           = optional(list(string), [])
    repository          = optional(string)
  })
  default = null

  validation {
    condition     = var.monitoring == null || can(regex("^${local.account_id}\\.dkr\\.ecr\\.${local.region}\\.amazonaws\\.com(\\.cn)?/[a-z0-9]+([._/-][a-z0-9]+)*(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$", var.monitoring.image_uri))
    error_message = "monitoring.image_uri must be an image in ECR of this account and region with its tag or digest, such as \"${local.account_id}.dkr.ecr.${local.region}.amazonaws.com/mlflow-staging-serving:1a2b3c\"."
  }

  validation {
    condition     = var.monitoring == null || can(regex("^(rate\\([1-9][0-9]* (minute|hour|day)s?\\)|${local.cron_expression})$", var.monitoring.schedule_expression))
    error_message = "monitoring.schedule_expression must be a rate expression, such as \"rate(1 hour)\", or a cron expression with six fields (minute, hour, day of month, month, day of week and year, with a \"?\" for one of the two days), such as \"cron(15 * * * ? *)\" for 15 minutes past every hour."
  }

  validation {
    condition     = var.monitoring == null || try(contains(local.time_zones, var.monitoring.timezone), false)
    error_message = "monitoring.timezone must be a name of the IANA time zone database, such as \"Europe/Berlin\" or \"UTC\"."
  }

  validation {
    # The limits of CreateProcessingJob: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
    condition     = var.monitoring == null || try(var.monitoring.timeout_minutes >= 1 && var.monitoring.timeout_minutes <= 7200 && floor(var.monitoring.timeout_minutes) == var.monitoring.timeout_minutes && var.monitoring.volume_size_gb >= 1 && var.monitoring.volume_size_gb <= 16384 && floor(var.monitoring.volume_size_gb) == var.monitoring.volume_size_gb && length(var.monitoring.arguments) <= 98 && alltrue([for text in var.monitoring.arguments : can(regex("^.{1,256}$", text)) && !strcontains(text, "<aws.scheduler.")]), false)
    error_message = "monitoring.timeout_minutes must be a whole number from 1 to 7200, volume_size_gb one from 1 to 16384, and arguments at most 98 texts of 1 to 256 characters without line breaks and without attributes of Scheduler such as <aws.scheduler.execution-id>."
  }

  validation {
    condition     = var.monitoring == null || can(regex("^ml\\.[a-z0-9-]+\\.[a-z0-9]+$", var.monitoring.instance_type))
    error_message = "monitoring.instance_type must be an instance type of SageMaker, such as \"ml.t3.medium\"."
  }

  validation {
    # CloudWatch evaluates an alarm over seven days at most.
    condition     = var.monitoring == null || try(var.monitoring.alarm_after_hours >= 1 && var.monitoring.alarm_after_hours <= 168 && floor(var.monitoring.alarm_after_hours) == var.monitoring.alarm_after_hours, false)
    error_message = "monitoring.alarm_after_hours must be a whole number of hours from 1 to 168 (seven days), longer than the time between two runs."
  }
}

variable "tracking_server" {
  description = "The tracking server that monitoring logs to: the mlflow module's outputs `tracking_server_name` and `mlflow_version`. Only `monitoring` needs it."
  type = object({
    name           = string
    mlflow_version = string
  })
  default = null

  validation {
    condition     = var.tracking_server == null || can(regex("^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}$", var.tracking_server.name)) && can(regex("^[0-9]+\\.[0-9]+$", var.tracking_server.mlflow_version))
    error_message = "tracking_server must have the server's name and its MLflow version, such as { name = \"mlflow-staging-3-0\", mlflow_version = \"3.0\" }."
  }
}

variable "notification_topic_arn" {
  description = "Topic that the alarms of `monitoring` notify: the mlflow module's output of the same name. With null, no notification is sent."
  type        = string
  default     = null

  validation {
    condition     = var.notification_topic_arn == null || can(regex("^arn:${local.partition}:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.notification_topic_arn))
    error_message = "notification_topic_arn must be the ARN of a topic, such as \"arn:${local.partition}:sns:us-east-1:111122223333:alerts\"."
  }
}
