# The rights to run the pipeline with scripts/run_pipeline.py, in addition to those of MLflow's writers. Attach it to roles of people and
# of CI.
resource "aws_iam_policy" "runner" {
  count = local.has_pipeline ? 1 : 0

  name        = "${var.global_name_prefix}${local.name}-pipeline-runner"
  path        = var.iam_path
  description = "Run the training pipeline of ${local.name}"
  policy      = data.aws_iam_policy_document.runner[0].json
  tags        = var.tags
}

data "aws_iam_policy_document" "runner" {
  count = local.has_pipeline ? 1 : 0

  statement {
    sid = "AllowRunPipelines"
    actions = [
      "sagemaker:AddTags",
      "sagemaker:CreatePipeline",
      "sagemaker:DescribePipeline",
      "sagemaker:DescribePipelineExecution",
      "sagemaker:ListPipelineExecutionSteps",
      "sagemaker:ListPipelineExecutions",
      "sagemaker:StartPipelineExecution",
      "sagemaker:StopPipelineExecution",
      "sagemaker:UpdatePipeline",
    ]
    resources = local.pipeline_arns
  }

  # scripts/sweep.py --on sagemaker. The training jobs of a tuning job need no right of the caller.
  statement {
    sid = "AllowRunTuningJobs"
    actions = [
      "sagemaker:AddTags",
      "sagemaker:CreateHyperParameterTuningJob",
      "sagemaker:DescribeHyperParameterTuningJob",
      "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
      "sagemaker:StopHyperParameterTuningJob",
    ]
    resources = [local.tuning_job_arn]
  }

  statement {
    sid       = "AllowReadJobs"
    actions   = ["sagemaker:DescribeProcessingJob"]
    resources = [for arn in local.job_arns : arn if strcontains(arn, ":processing-job/")]
  }

  statement {
    sid       = "AllowReadJobLogs"
    actions   = ["logs:DescribeLogStreams", "logs:GetLogEvents"]
    resources = local.job_log_arns
  }

  statement {
    sid       = "AllowPassPipelineRole"
    actions   = ["iam:PassRole"]
    resources = [local.role_arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["sagemaker.amazonaws.com"]
    }
  }

  statement {
    sid       = "AllowListBucket"
    actions   = ["s3:ListBucket"]
    resources = [local.artifact_bucket_arn]
  }

  statement {
    sid       = "AllowWriteCodeAndData"
    actions   = ["s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${local.artifact_path}/pipelines/*"]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "AllowEncryptCodeAndData"
      actions   = ["kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.s3_via_service
      }
    }
  }
}
