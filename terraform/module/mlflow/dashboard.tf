# One page with the state of the environment: alarms, the server's starts, stops and backups, endpoints, drift, storage and cost.
# The format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
locals {
  dashboard_name = "${local.global_name}-mlflow"

  # Searches find the metrics of endpoints that are deployed later. A term without quotes matches a part of a name between hyphens, and
  # a name with hyphens needs quotes and then matches as a whole only, so the parts are searched for one by one.
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
  dashboard_terms = join(" ", [for part in split("-", local.name) : "EndpointName=${part}"])
  variants        = "{AWS/SageMaker,EndpointName,VariantName}"
  instances       = "{/aws/sagemaker/Endpoints,EndpointName,VariantName}"

  dashboard_alarms = [for name in concat(
    local.has_schedule ? ["${local.name}-mlflow-schedule-failed", "${local.name}-mlflow-schedule-dlq-undeliverable", "${local.name}-mlflow-start-stop-failed"] : [],
    local.has_backup ? ["${local.backup_name}-missing", "${local.backup_name}-not-started"] : [],
    local.has_replication ? [local.replication_alarm] : [],
  ) : "arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:${name}"]

  # Title, and lines: either a metric in the form of the dashboard's format, or a search.
  dashboard_graphs = concat(
    local.has_server_events ? [{
      title   = "State changes of tracking servers (all of the account)"
      stat    = "Sum"
      metrics = [["AWS/Events", "MatchedEvents", "RuleName", "${local.name}-mlflow-server"]]
    }] : [],
    local.has_schedule ? [{
      title = "Starts and stops by the schedule"
      stat  = "Sum"
      metrics = [for metric in ["ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut"] :
        ["AWS/States", metric, "StateMachineArn", local.start_stop_arn]
      ]
    }] : [],
    local.has_backup ? [{
      title   = "Backups"
      stat    = "Sum"
      metrics = [for metric in ["SucceededBuilds", "FailedBuilds"] : ["AWS/CodeBuild", metric, "ProjectName", local.backup_name]]
    }] : [],
    [for graph in [
      { title = "Requests of endpoints", metric = "Invocations", of = local.variants, stat = "Sum" },
      { title = "Client errors of endpoints (4xx)", metric = "Invocation4XXErrors", of = local.variants, stat = "Sum" },
      { title = "Server errors of endpoints (5xx)", metric = "Invocation5XXErrors", of = local.variants, stat = "Sum" },
      { title = "Latency of models, 99 % (microseconds)", metric = "ModelLatency", of = local.variants, stat = "p99" },
      { title = "Processor use of endpoints (percent of a core)", metric = "CPUUtilization", of = local.instances, stat = "Average" },
      { title = "Memory use of endpoints (percent)", metric = "MemoryUtilization", of = local.instances, stat = "Maximum" },
      ] : {
      title   = graph.title
      stat    = graph.stat
      metrics = [[{ expression = "SEARCH('${graph.of} MetricName=\"${graph.metric}\" ${local.dashboard_terms}', '${graph.stat}', 300)", id = "found", label = "" }]]
    }],
    # Module serving publishes these, if it monitors.
    [{
      title   = "Variants with drift or low quality"
      stat    = "Maximum"
      metrics = [["MLflowPlatform/Monitoring", "Alarms", "Environment", local.name]]
      }, {
      title   = "Artifacts (bytes, S3 Standard, once a day)"
      stat    = "Average"
      metrics = [["AWS/S3", "BucketSizeBytes", "BucketName", local.artifact_bucket_name, "StorageType", "StandardStorage"]]
    }],
  )

  dashboard_rows = length(local.dashboard_alarms) > 0 ? 2 : 0

  dashboard_widgets = concat(
    [{
      type = "text"
      properties = {
        markdown = "# ${local.name}\nCloudWatch has no metric of a tracking server's state: `make server ENV=${var.environment} ARGS=status` shows it, `make doctor` checks everything, and `make cost` breaks the cost down."
      }
      width  = 24
      height = 2
      x      = 0
      y      = 0
    }],
    [for arns in [local.dashboard_alarms] : {
      type       = "alarm"
      properties = { title = "Alarms", alarms = arns }
      width      = 24
      height     = 2
      x          = 0
      y          = 2
    } if length(arns) > 0],
    [for number, graph in local.dashboard_graphs : {
      type = "metric"
      properties = {
        title   = graph.title
        region  = local.region
        view    = "timeSeries"
        stat    = graph.stat
        period  = startswith(graph.title, "Artifacts") ? 86400 : 300
        metrics = graph.metrics
      }
      width  = 8
      height = 6
      x      = 8 * (number % 3)
      y      = 2 + local.dashboard_rows + 6 * floor(number / 3)
    }],
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/monitor_estimated_charges_with_cloudwatch.html
    [{
      type = "metric"
      properties = {
        title   = "Charges of SageMaker this month (USD, all of the account; needs billing alerts)"
        region  = "us-east-1"
        view    = "timeSeries"
        stat    = "Maximum"
        period  = 21600
        metrics = [["AWS/Billing", "EstimatedCharges", "ServiceName", "AmazonSageMaker", "Currency", "USD"]]
      }
      width  = 8
      height = 6
      x      = 8 * (length(local.dashboard_graphs) % 3)
      y      = 2 + local.dashboard_rows + 6 * floor(length(local.dashboard_graphs) / 3)
    }],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.create_dashboard ? 1 : 0

  dashboard_name = local.dashboard_name
  dashboard_body = jsonencode({ start = "-P1D", widgets = local.dashboard_widgets })
}
