# https://docs.aws.amazon.com/codepipeline/latest/userguide/triggering.html
resource "aws_cloudwatch_event_rule" "pushed" {
  count = local.codecommit == null ? 0 : 1

  name        = "${local.prefix}-pushed"
  description = "Pushes to ${local.branch} of ${local.codecommit}"
  event_pattern = jsonencode({
    source        = ["aws.codecommit"]
    "detail-type" = ["CodeCommit Repository State Change"]
    resources     = [local.codecommit_arn]
    detail = {
      event         = ["referenceCreated", "referenceUpdated"]
      referenceType = ["branch"]
      referenceName = [local.branch]
    }
  })
  tags = var.tags
}

resource "aws_cloudwatch_event_target" "pushed" {
  count = local.codecommit == null ? 0 : 1

  rule      = aws_cloudwatch_event_rule.pushed[0].name
  target_id = "pipeline"
  arn       = aws_codepipeline.delivery[0].arn
  role_arn  = aws_iam_role.events[0].arn
}

# SageMaker sends this event for every update of a package, also of one that was approved long ago, such as a change of its metadata or of its
# stage in the life cycle. Without the last condition, such a change would deploy an old version. An event without the field passes: nothing
# is updated when a package is created as approved.
# https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html#eventbridge-model-package
resource "aws_cloudwatch_event_rule" "approved" {
  count = local.has_delivery ? 1 : 0

  name        = "${local.prefix}-approved"
  description = "Model packages of ${local.package_group_name} that were approved"
  event_pattern = jsonencode({
    source        = ["aws.sagemaker"]
    "detail-type" = ["SageMaker Model Package State Change"]
    detail = {
      ModelPackageGroupName     = [local.package_group_name]
      ModelApprovalStatus       = ["Approved"]
      UpdatedModelPackageFields = ["ModelApprovalStatus", { exists = false }]
    }
  })
  tags = var.tags
}

# The input has StartBuild's parameters. https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications.html
resource "aws_cloudwatch_event_target" "approved" {
  count = local.has_delivery ? 1 : 0

  rule      = aws_cloudwatch_event_rule.approved[0].name
  target_id = "deploy"
  arn       = aws_codebuild_project.delivery["approved"].arn
  role_arn  = aws_iam_role.events[0].arn

  input_transformer {
    input_paths    = { package = "$.detail.ModelPackageArn" }
    input_template = "{\"environmentVariablesOverride\": [{\"name\": \"MODEL_URI\", \"value\": <package>, \"type\": \"PLAINTEXT\"}]}"
  }
}

# https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
resource "aws_cloudwatch_event_rule" "failed" {
  count = local.has_topic ? 1 : 0

  name        = "${local.prefix}-failed"
  description = "Executions of ${local.prefix} that failed"
  event_pattern = jsonencode({
    source        = ["aws.codepipeline"]
    "detail-type" = ["CodePipeline Pipeline Execution State Change"]
    detail = {
      pipeline = [local.prefix]
      state    = ["FAILED"]
    }
  })
  tags = var.tags
}

resource "aws_cloudwatch_event_target" "failed" {
  count = local.has_topic ? 1 : 0

  rule      = aws_cloudwatch_event_rule.failed[0].name
  target_id = "notifications"
  arn       = var.notification_topic_arn
}

# A deployment of an approved package is outside the pipeline.
resource "aws_cloudwatch_event_rule" "not_deployed" {
  count = local.has_topic ? 1 : 0

  name        = "${local.prefix}-not-deployed"
  description = "Approved model packages of ${local.package_group_name} that were not deployed"
  event_pattern = jsonencode({
    source        = ["aws.codebuild"]
    "detail-type" = ["CodeBuild Build State Change"]
    detail = {
      "build-status" = ["FAILED", "FAULT", "STOPPED", "TIMED_OUT"]
      "project-name" = [local.projects["approved"]]
    }
  })
  tags = var.tags
}

resource "aws_cloudwatch_event_target" "not_deployed" {
  count = local.has_topic ? 1 : 0

  rule      = aws_cloudwatch_event_rule.not_deployed[0].name
  target_id = "notifications"
  arn       = var.notification_topic_arn
}
