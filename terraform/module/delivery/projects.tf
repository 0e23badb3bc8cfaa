# The builds. `train` and `deploy` are stages of the pipeline. `approved` deploys a model package that was approved in SageMaker's registry;
# no pipeline starts it, so it reads the repository itself.
resource "aws_codebuild_project" "delivery" {
  for_each = local.projects

  name          = each.value
  description   = "${title(each.key)} build of the delivery of ${local.name}"
  service_role  = aws_iam_role.build[each.key == "train" ? "train" : "deploy"].arn
  build_timeout = var.delivery.timeout_minutes
  tags          = var.tags

  source_version = each.key == "approved" ? local.branch : null

  source {
    type      = each.key != "approved" ? "CODEPIPELINE" : local.codecommit == null ? "GITHUB" : "CODECOMMIT"
    buildspec = each.key == "train" ? var.delivery.train_buildspec : var.delivery.deploy_buildspec
    location = each.key != "approved" ? null : (
      local.codecommit == null ? "https://github.com/${local.github}.git"
      : "https://git-codecommit.${local.region}.${data.aws_partition.current.dns_suffix}/v1/repos/${local.codecommit}"
    )

    dynamic "auth" {
      for_each = each.key == "approved" && local.connection_arn != null ? [local.connection_arn] : []

      content {
        type     = "CODECONNECTIONS"
        resource = auth.value
      }
    }
  }

  environment {
    type         = "LINUX_CONTAINER"
    compute_type = var.delivery.compute_type
    image        = "aws/codebuild/amazonlinux-x86_64-standard:5.0"

    dynamic "environment_variable" {
      for_each = merge(
        {
          MLFLOW_ENVIRONMENT = var.environment
          MODEL_NAME         = local.model_name
          ENDPOINT_NAME      = local.package_group_name
          IMAGE_URI          = var.delivery.image_uri
          TRAINING_ARGUMENTS = join(" ", var.delivery.training_arguments)
          DEPLOY_ARGUMENTS   = join(" ", var.delivery.deploy_arguments)

          VALIDATION_ARGUMENTS = join(" ", var.delivery.validation_arguments)
        },
        var.delivery.package_index_url == null ? {} : { PIP_INDEX_URL = var.delivery.package_index_url, UV_DEFAULT_INDEX = var.delivery.package_index_url },
      )

      content {
        name  = environment_variable.key
        value = environment_variable.value
      }
    }
  }

  artifacts {
    type = each.key == "approved" ? "NO_ARTIFACTS" : "CODEPIPELINE"
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.delivery[each.key].name
    }
  }

  depends_on = [aws_iam_role_policy.build, aws_iam_role_policy_attachment.deploy, aws_iam_role_policy_attachment.train]
}

resource "aws_cloudwatch_log_group" "delivery" {
  for_each = local.log_groups

  name              = each.value
  retention_in_days = 90
  tags              = var.tags
}
