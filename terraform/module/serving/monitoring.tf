# Monitoring as a scheduled job: EventBridge Scheduler creates a SageMaker processing job, which runs `scripts/monitor.py run` of this
# repository in the given image. See docs/guides/monitor-a-model.md.
locals {
  has_monitoring        = var.monitoring != null
  monitoring_name       = "${local.name}-monitor"
  monitoring_server_arn = "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:mlflow-tracking-server/${try(var.tracking_server.name, "none")}"
  monitoring_folder     = "/opt/ml/processing/input/code"

  # Below backups/, where writers of artifacts may not write: a principal that can change the code has the rights of the job's role.
  monitoring_tool       = "${local.artifact_path}/backups/monitoring-tool"
  monitoring_repository = local.has_monitoring ? coalesce(var.monitoring.repository, "${path.module}/../../..") : ""
  monitoring_files = local.has_monitoring ? {
    for file in sort(concat(
      tolist(fileset(local.monitoring_repository, "src/mlflow_common/*.py")),
      tolist(fileset(local.monitoring_repository, "src/mlflow_platform/*.py")),
      tolist(fileset(local.monitoring_repository, "src/mlflow_platform/{compatibility,endpoints,monitoring,validation}/**/*.{j2,json,py}")),
      ["scripts/monitor.py"],
    )) : file => file("${local.monitoring_repository}/${file}") if fileexists("${local.monitoring_repository}/${file}")
  } : {}

  # How the job knows its environment: the outputs that scripts read elsewhere from Terraform's state.
  monitoring_outputs = local.has_monitoring ? {
    artifact_bucket_name        = local.artifact_bucket_name
    artifact_store_uri          = "s3://${local.artifact_path}"
    aws_account_id              = local.account_id
    aws_region                  = local.region
    endpoint_execution_role_arn = aws_iam_role.endpoint.arn
    mlflow_tracking_uri         = local.monitoring_server_arn
    mlflow_version              = try(var.tracking_server.mlflow_version, "")
    project_name                = var.project_name
    tracking_server_name        = try(var.tracking_server.name, "none")
  } : {}

  monitoring_job = local.has_monitoring ? {
    # Scheduler replaces the expression by an id of the invocation; a job's name is unique in an account and region.
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    ProcessingJobName = "${local.monitoring_name}-<aws.scheduler.execution-id>"
    RoleArn           = local.monitoring_role_arn
    AppSpecification = {
      ImageUri            = var.monitoring.image_uri
      ContainerEntrypoint = ["python", "${local.monitoring_folder}/run.py"]
      ContainerArguments  = concat(["run", "--env=${var.environment}"], var.monitoring.arguments)
    }
    Environment = merge(
      { for name, value in local.monitoring_outputs : "PLATFORM_OUTPUT_${name}" => value },
      { for index, uri in var.former_artifact_store_uris : "PLATFORM_OUTPUT_former_artifact_store_uris_${index}" => trimsuffix(uri, "/") },
      { PLATFORM_ENVIRONMENT = var.environment, AWS_DEFAULT_REGION = local.region },
    )
    ProcessingInputs = [{
      InputName = "code"
      S3Input = {
        S3Uri       = "s3://${local.monitoring_tool}/"
        LocalPath   = local.monitoring_folder
        S3DataType  = "S3Prefix"
        S3InputMode = "File"
      }
    }]
    ProcessingResources = {
      ClusterConfig = {
        InstanceCount  = 1
        InstanceType   = var.monitoring.instance_type
        VolumeSizeInGB = var.monitoring.volume_size_gb
      }
    }
    StoppingCondition = { MaxRuntimeInSeconds = var.monitoring.timeout_minutes * 60 }
    Tags              = [{ Key = "project", Value = var.project_name }, { Key = "environment", Value = var.environment }]
  } : null
}

# The code as one object, and what unpacks it: see terraform/module/mlflow/backup.tf.
resource "aws_s3_object" "monitoring_tool" {
  for_each = local.has_monitoring ? toset(["run.py", "tool.json.gz"]) : []

  bucket         = local.artifact_bucket_name
  key            = trimprefix("${local.monitoring_tool}/${each.key}", "${local.artifact_bucket_name}/")
  content_base64 = sensitive(each.key == "run.py" ? filebase64("${path.module}/monitoring/run.py") : base64gzip(jsonencode(local.monitoring_files)))
  content_type   = each.key == "run.py" ? "text/x-python" : "application/gzip"
  force_destroy  = true
  tags           = { project = var.project_name, environment = var.environment }

  # An object has at most 10 tags, which default_tags could exceed.
  override_provider {
    default_tags {
      tags = {}
    }
  }

  lifecycle {
    # With override_provider, provider 5.100 reads tags_all as empty and would plan an update every time.
    ignore_changes = [tags_all]

    precondition {
      condition     = length(setsubtract(["scripts/monitor.py", "src/mlflow_platform/monitoring/report.html.j2"], keys(local.monitoring_files))) == 0
      error_message = "Monitoring runs scripts/monitor.py and src/mlflow_platform of this repository, which are not at ${local.monitoring_repository}. Set monitoring.repository to the folder of a checkout."
    }
  }
}

# A universal target: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
resource "aws_scheduler_schedule" "monitoring" {
  count = local.has_monitoring ? 1 : 0

  name                         = local.monitoring_name
  description                  = "Monitors the endpoints of ${local.name}"
  schedule_expression          = var.monitoring.schedule_expression
  schedule_expression_timezone = var.monitoring.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:${local.partition}:scheduler:::aws-sdk:sagemaker:createProcessingJob"
    role_arn = aws_iam_role.monitoring_schedule[0].arn
    # jsonencode escapes < and >, and Scheduler then finds no attribute to replace.
    input = replace(replace(jsonencode(local.monitoring_job), "\\u003c", "<"), "\\u003e", ">")

    retry_policy {
      maximum_event_age_in_seconds = 1800
      maximum_retry_attempts       = 5
    }

    dead_letter_config {
      arn = aws_sqs_queue.monitoring_failures[0].arn
    }
  }

  lifecycle {
    precondition {
      condition     = var.tracking_server != null
      error_message = "monitoring needs tracking_server: the mlflow module's outputs tracking_server_name and mlflow_version. It cannot log to an MLflow App: with backend = \"serverless\", set monitoring = null."
    }

    precondition {
      # 16 characters of Scheduler's id follow; a processing job's name has 63 at most.
      condition     = length(local.monitoring_name) <= 46
      error_message = "The monitoring jobs would have names of more than 63 characters. Shorten project_name or environment by ${max(0, length(local.monitoring_name) - 46)}, or set monitoring = null."
    }
  }

  depends_on = [aws_iam_role_policy.monitoring, aws_iam_role_policy.monitoring_schedule, aws_s3_object.monitoring_tool]
}
