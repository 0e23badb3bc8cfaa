# The role that every endpoint runs under: it pulls its image, reads its model and writes its log, and that is all.
# Containers of models that anybody may have logged run with it.
resource "aws_iam_role" "endpoint" {
  name                 = local.role_name
  description          = "SageMaker endpoints of ${local.name}"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

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

    # What SageMaker sends for endpoints, star included; never a single endpoint's ARN.
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
  # ECR's token is for the whole registry: AWS offers no resource to name here.
  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid = "PullImage"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetDownloadUrlForLayer",
    ]
    resources = [
      for name in local.repositories : "arn:${local.partition}:ecr:${local.region}:${local.account_id}:repository/${name}"
    ]
  }

  statement {
    sid       = "FindBucket"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.artifact_bucket_arn]
  }

  statement {
    sid       = "ListModels"
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

  statement {
    sid       = "ReadModel"
    actions   = ["s3:GetObject"]
    resources = [local.artifact_objects_arn]
  }

  statement {
    sid = "WriteLog"
    actions = [
      "logs:CreateLogGroup",
      "logs:CreateLogStream",
      "logs:DescribeLogStreams",
      "logs:PutLogEvents",
    ]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/sagemaker/Endpoints/*"]
  }

  dynamic "statement" {
    for_each = length(local.readable_key_arns) == 0 ? [] : [local.readable_key_arns]

    content {
      sid       = "DecryptModelThroughS3"
      actions   = ["kms:Decrypt"]
      resources = statement.value

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["s3.${local.region}.amazonaws.com"]
      }
    }
  }
}
