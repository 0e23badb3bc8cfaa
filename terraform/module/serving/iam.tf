# The role of every endpoint: it pulls images, reads models and writes logs. Its rights are narrow, because the container runs the code
# of any model that was logged.
resource "aws_iam_role" "endpoint" {
  name                  = local.role_name
  path                  = var.iam_path
  description           = "SageMaker endpoints of ${local.name}"
  assume_role_policy    = data.aws_iam_policy_document.trust.json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags

  lifecycle {
    precondition {
      condition     = length(local.role_name) <= 64
      error_message = "The endpoints' role would be named \"${local.role_name}\", which is ${length(local.role_name)} characters long, and IAM allows 64: shorten project_name or environment by ${max(0, length(local.role_name) - 64)}."
    }
  }
}

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

    # SageMaker sends this value for endpoints, the star included, and never the ARN of one endpoint.
    # https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html#security-confused-deputy-inference
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:*"]
    }
  }
}

resource "aws_iam_role_policy" "endpoint" {
  name   = "EndpointAccess"
  role   = aws_iam_role.endpoint.id
  policy = data.aws_iam_policy_document.endpoint.json
}

data "aws_iam_policy_document" "endpoint" {
  # ECR's token is for the whole registry: AWS supports no resource for this action.
  statement {
    sid       = "AllowLogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid = "AllowPullImages"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetDownloadUrlForLayer",
    ]
    resources = [
      for name in local.repositories : "arn:${local.partition}:ecr:${local.region}:${local.account_id}:repository/${name}"
    ]
  }

  # SageMaker reads the alarms that roll an update back with this role.
  # https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
  statement {
    sid       = "AllowReadRollbackAlarms"
    actions   = ["cloudwatch:DescribeAlarms"]
    resources = ["arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:${local.name}-*"]
  }

  statement {
    sid       = "AllowFindBucket"
    actions   = ["s3:GetBucketLocation"]
    resources = distinct([for path in local.store_paths : "arn:${local.partition}:s3:::${split("/", path)[0]}"])
  }

  statement {
    sid       = "AllowListModels"
    actions   = ["s3:ListBucket"]
    resources = [local.artifact_bucket_arn]

    dynamic "condition" {
      for_each = local.artifact_prefix == "" ? [] : ["${local.artifact_prefix}/*"]

      content {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = [condition.value]
      }
    }
  }

  dynamic "statement" {
    for_each = { for index, path in slice(local.store_paths, 1, length(local.store_paths)) : "AllowListFormerStore${index}" => split("/", path) }

    content {
      sid       = statement.key
      actions   = ["s3:ListBucket"]
      resources = ["arn:${local.partition}:s3:::${statement.value[0]}"]

      dynamic "condition" {
        for_each = length(statement.value) == 1 ? [] : ["${join("/", slice(statement.value, 1, length(statement.value)))}/*"]

        content {
          test     = "StringLike"
          variable = "s3:prefix"
          values   = [condition.value]
        }
      }
    }
  }

  statement {
    sid       = "AllowReadModels"
    actions   = ["s3:GetObject"]
    resources = [for path in local.store_paths : "arn:${local.partition}:s3:::${path}/*"]
  }

  # Data capture writes requests and answers with this role, batch transform jobs their outputs, and asynchronous endpoints their results.
  # https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
  # https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
  statement {
    sid       = "AllowWriteCapturedData"
    actions   = ["s3:PutObject"]
    resources = [for folder in ["async", "batch", "captured"] : "arn:${local.partition}:s3:::${local.artifact_path}/${folder}/${local.name}-*"]
  }

  # Backups contain all logged data, including deleted runs.
  statement {
    sid       = "DenyReadBackups"
    effect    = "Deny"
    actions   = ["s3:GetObject"]
    resources = [for path in local.store_paths : "arn:${local.partition}:s3:::${path}/backups/*"]
  }

  statement {
    sid = "AllowWriteLogs"
    actions = [
      "logs:CreateLogGroup",
      "logs:CreateLogStream",
      "logs:DescribeLogStreams",
      "logs:PutLogEvents",
    ]
    resources = [
      "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/sagemaker/Endpoints/${local.name}-*",
      # All transform jobs of an account share this group. A stream is named after its job.
      "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/sagemaker/TransformJobs",
      "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/sagemaker/TransformJobs:log-stream:${local.name}-*",
    ]
  }

  dynamic "statement" {
    for_each = length(local.readable_key_arns) == 0 ? [] : [local.readable_key_arns]

    content {
      sid       = "AllowDecryptModels"
      actions   = ["kms:Decrypt"]
      resources = statement.value

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.s3_via_service
      }
    }
  }

  # Nothing new is encrypted with a former key.
  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "AllowEncryptCapturedData"
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
