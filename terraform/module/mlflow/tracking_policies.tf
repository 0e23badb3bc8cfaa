# What each level of clients may do with the tracking servers. No level can create or delete a server: Terraform does, because it
# knows what would be lost. Each policy names the servers once, so that an upgrade adds one ARN to it.
locals {
  read_actions = ["sagemaker-mlflow:Get*", "sagemaker-mlflow:List*", "sagemaker-mlflow:Search*"]

  # Writes that remove nothing. All actions:
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerwithmlflow.html
  write_actions = [
    "sagemaker-mlflow:CreateExperiment",
    "sagemaker-mlflow:CreateModelVersion",
    "sagemaker-mlflow:CreateRegisteredModel",
    "sagemaker-mlflow:CreateRun",
    "sagemaker-mlflow:EndTrace",
    "sagemaker-mlflow:FinalizeLoggedModel",
    "sagemaker-mlflow:LogBatch",
    "sagemaker-mlflow:LogInputs",
    "sagemaker-mlflow:LogLoggedModelParams",
    "sagemaker-mlflow:LogMetric",
    "sagemaker-mlflow:LogModel",
    "sagemaker-mlflow:LogOutputs",
    "sagemaker-mlflow:LogParam",
    "sagemaker-mlflow:SetExperimentTag",
    "sagemaker-mlflow:SetLoggedModelTags",
    "sagemaker-mlflow:SetModelVersionTag",
    "sagemaker-mlflow:SetRegisteredModelAlias",
    "sagemaker-mlflow:SetRegisteredModelTag",
    "sagemaker-mlflow:SetTag",
    "sagemaker-mlflow:SetTraceTag",
    "sagemaker-mlflow:StartTrace",
    "sagemaker-mlflow:TransitionModelVersionStage",
    "sagemaker-mlflow:UpdateExperiment",
    "sagemaker-mlflow:UpdateModelVersion",
    "sagemaker-mlflow:UpdateRegisteredModel",
    "sagemaker-mlflow:UpdateRun",
  ]

  # An App's UI is its API, which can also delete: a reader opens it for no App.
  client_opens_ui = { reader = var.readers_may_open_ui && !local.is_serverless, writer = true, admin = true }

  server_statements = {
    reader = { sid = "AllowReadTracking", actions = local.read_actions }
    writer = { sid = "AllowReadAndWriteTracking", actions = concat(local.read_actions, local.write_actions) }
    admin = {
      sid = "AllowAdministerTracking"
      actions = [
        "sagemaker-mlflow:*",
        "sagemaker:StartMlflowTrackingServer",
        "sagemaker:StopMlflowTrackingServer",
        "sagemaker:UpdateMlflowTrackingServer",
      ]
    }
  }

  # IAM has one action for everything that an App's API does, so a reader gets none, and a writer may delete.
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
  app_statements = {
    reader = { sid = "AllowDescribeApp", actions = [] }
    writer = { sid = "AllowUseApp", actions = ["sagemaker:CallMlflowAppApi"] }
    admin  = { sid = "AllowAdministerApp", actions = ["sagemaker:CallMlflowAppApi", "sagemaker:UpdateMlflowApp"] }
  }

  tracking_statements = {
    for level in local.client_levels : level => local.is_serverless ? local.app_statements[level] : local.server_statements[level]
  }

  tracking_calls = local.is_serverless ? {
    describe = "sagemaker:DescribeMlflowApp"
    list     = "sagemaker:ListMlflowApps"
    open_ui  = "sagemaker:CreatePresignedMlflowAppUrl"
    } : {
    describe = "sagemaker:DescribeMlflowTrackingServer"
    list     = "sagemaker:ListMlflowTrackingServers"
    open_ui  = "sagemaker:CreatePresignedMlflowTrackingServerUrl"
  }
}

data "aws_iam_policy_document" "tracking" {
  for_each = local.tracking_statements

  statement {
    sid = each.value.sid
    actions = concat(
      each.value.actions,
      [local.tracking_calls.describe],
      local.client_opens_ui[each.key] ? [local.tracking_calls.open_ui] : [],
    )
    resources = local.is_serverless ? [local.app_arn] : local.server_arns
  }

  # AWS supports no resource for these two actions. AccessUI opens nothing without a presigned URL of a server.
  statement {
    sid = local.is_serverless ? "AllowListApps" : local.client_opens_ui[each.key] ? "AllowListServersAndOpenUI" : "AllowListServers"
    actions = concat(
      [local.tracking_calls.list],
      local.client_opens_ui[each.key] && !local.is_serverless ? ["sagemaker-mlflow:AccessUI"] : [],
    )
    resources = ["*"]
  }

  # The scripts read the published outputs here when they cannot read the Terraform state. A read by path needs the path itself, a
  # read by name the parameter: https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-access.html
  dynamic "statement" {
    for_each = var.publish_parameters ? ["arn:${local.partition}:ssm:${local.region}:${local.account_id}:parameter${local.parameter_path}"] : []

    content {
      sid       = "AllowReadParameters"
      actions   = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]
      resources = [statement.value, "${statement.value}/*"]
    }
  }
}
