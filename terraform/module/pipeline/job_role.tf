# The role of the training pipeline and of its jobs. The jobs run the training code, so the role can write artifacts, but neither backups
# nor the code of later executions.
resource "aws_iam_role" "pipeline" {
  count = local.has_pipeline ? 1 : 0

  name                  = local.role_name
  path                  = var.iam_path
  description           = "Training pipeline of ${local.name} and its jobs"
  assume_role_policy    = data.aws_iam_policy_document.trust.json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags

  lifecycle {
    precondition {
      condition     = length(local.role_name) <= 64
      error_message = "The pipeline's role would be named \"${local.role_name}\", which is ${length(local.role_name)} characters long, and IAM allows 64: shorten project_name or environment by ${max(0, length(local.role_name) - 64)}."
    }
  }
}

# https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "SageMakerOfThisAccount"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    # SageMaker sends the ARN of the pipeline or job, or the literal value with the star.
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.sagemaker_arn}:*"]
    }
  }
}

resource "aws_iam_role_policy_attachment" "tracking" {
  count = local.has_pipeline ? 1 : 0

  role       = aws_iam_role.pipeline[0].name
  policy_arn = var.tracking_policy_arn
}

resource "aws_iam_role_policy" "pipeline" {
  count = local.has_pipeline ? 1 : 0

  name   = "RunTrainingJobs"
  role   = aws_iam_role.pipeline[0].id
  policy = data.aws_iam_policy_document.pipeline[0].json
}

# https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-access.html
data "aws_iam_policy_document" "pipeline" {
  count = local.has_pipeline ? 1 : 0

  statement {
    sid = "AllowRunJobs"
    actions = [
      "sagemaker:AddTags",
      "sagemaker:CreateProcessingJob",
      "sagemaker:CreateTrainingJob",
      "sagemaker:DescribeProcessingJob",
      "sagemaker:DescribeTrainingJob",
      "sagemaker:StopProcessingJob",
      "sagemaker:StopTrainingJob",
    ]
    resources = local.job_arns
  }

  statement {
    sid       = "AllowPassOwnRole"
    actions   = ["iam:PassRole"]
    resources = [local.role_arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["sagemaker.amazonaws.com"]
    }
  }

  dynamic "statement" {
    for_each = length(var.training_pipeline.image_repositories) == 0 ? [] : [var.training_pipeline.image_repositories]

    content {
      sid       = "AllowPullImages"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = [for name in statement.value : "arn:${local.partition}:ecr:${local.region}:${local.account_id}:repository/${name}"]
    }
  }

  # ECR's token is for the whole registry: AWS supports no resource for this action.
  dynamic "statement" {
    for_each = length(var.training_pipeline.image_repositories) == 0 ? [] : [true]

    content {
      sid       = "AllowLogInToRegistry"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"]
    }
  }

  statement {
    sid       = "AllowFindAndListBucket"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [local.artifact_bucket_arn]
  }

  statement {
    sid       = "AllowUseArtifacts"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${local.artifact_path}/*"]
  }

  statement {
    sid       = "DenyUseBackups"
    effect    = "Deny"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${local.artifact_path}/backups/*"]
  }

  # What serves predictions, and what later jobs run.
  statement {
    sid     = "DenyChangeCode"
    effect  = "Deny"
    actions = ["s3:PutObject"]
    resources = [
      for folder in ["endpoints", "images", "pipelines/*/code"] : "arn:${local.partition}:s3:::${local.artifact_path}/${folder}/*"
    ]
  }

  statement {
    sid       = "AllowWriteLogs"
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = local.job_log_arns
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "AllowUseArtifactKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.s3_via_service
      }
    }
  }
}

data "aws_default_tags" "current" {
  lifecycle {
    postcondition {
      condition     = length(setunion(keys(var.tags), keys(self.tags))) <= 50
      error_message = "tags and the provider's default_tags have ${length(setunion(keys(var.tags), keys(self.tags)))} keys together, and AWS allows 50 tags on a resource. Remove some."
    }

    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules_creating
    postcondition {
      condition     = length(distinct([for key in setunion(keys(var.tags), keys(self.tags)) : lower(key)])) == length(setunion(keys(var.tags), keys(self.tags)))
      error_message = "tags and the provider's default_tags have keys that differ only in case, such as Project and project, and IAM allows only one of them: ${join(", ", setunion(keys(var.tags), keys(self.tags)))}. Use the same case."
    }
  }
}
