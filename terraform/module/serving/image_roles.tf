# The role of the builds, and the identity that may build and push images.
resource "aws_iam_role" "image_builder" {
  count = local.has_image_build ? 1 : 0

  name                  = "${local.global_name}-image-builder"
  path                  = var.iam_path
  description           = "Builds the serving images of ${local.name}"
  assume_role_policy    = data.aws_iam_policy_document.image_builder_trust.json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags

  lifecycle {
    precondition {
      condition     = length("${local.global_name}-image-builder") <= 64
      error_message = "The role of image builds would be named \"${local.global_name}-image-builder\", and IAM allows 64 characters: shorten project_name or environment."
    }
  }
}

# CodeBuild names the project for which it assumes the role.
# https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
data "aws_iam_policy_document" "image_builder_trust" {
  statement {
    sid     = "CodeBuildForThisProject"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["codebuild.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.image_build_project_arn]
    }
  }
}

resource "aws_iam_role_policy" "image_builder" {
  count = local.has_image_build ? 1 : 0

  name   = "BuildImages"
  role   = aws_iam_role.image_builder[0].id
  policy = data.aws_iam_policy_document.image_builder.json
}

# A build runs the code of the packages that a model requires. It can push images and read what images are built from, and nothing else.
data "aws_iam_policy_document" "image_builder" {
  source_policy_documents = concat(
    [data.aws_iam_policy_document.image_push.json],
    data.aws_iam_policy_document.image_build_network[*].json,
  )

  statement {
    sid       = "AllowReadSource"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["arn:${local.partition}:s3:::${local.image_sources}/*"]
  }

  statement {
    sid       = "AllowFindSource"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.artifact_bucket_arn]
  }

  statement {
    sid       = "AllowWriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.image_build_log_arn}:*"]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "AllowDecryptSource"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.s3_via_service
      }
    }
  }
}

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
data "aws_iam_policy_document" "image_push" {
  # ECR's token is for the whole registry: AWS supports no resource for this action.
  statement {
    sid       = "AllowLogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid = "AllowPushImages"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = [local.image_repository_arn]
  }
}

# With image_build.vpc, CodeBuild attaches a network interface in the given subnets. AWS supports no resource for most of these actions.
# https://docs.aws.amazon.com/codebuild/latest/userguide/auth-and-access-control-iam-identity-based-access-control.html#customer-managed-policies-example-create-vpc-network-interface
data "aws_iam_policy_document" "image_build_network" {
  # Without `try`, which is unknown if an id in the network is.
  count = var.image_build == null ? 0 : var.image_build.vpc == null ? 0 : 1

  statement {
    sid = "AllowAttachNetworkInterface"
    actions = [
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeDhcpOptions",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcs",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "AllowGiveNetworkInterfaceToCodeBuild"
    actions   = ["ec2:CreateNetworkInterfacePermission"]
    resources = ["arn:${local.partition}:ec2:${local.region}:${local.account_id}:network-interface/*"]

    condition {
      test     = "StringEquals"
      variable = "ec2:AuthorizedService"
      values   = ["codebuild.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "ec2:Subnet"
      values   = [for id in var.image_build.vpc.subnet_ids : "arn:${local.partition}:ec2:${local.region}:${local.account_id}:subnet/${id}"]
    }
  }
}

# The rights to build an image with scripts/build_image.py, or to push one that was built elsewhere. Attach it to roles of people and of
# CI. A principal with this policy decides which code endpoints run.
resource "aws_iam_policy" "image_pusher" {
  name        = "${local.global_name}-image-pusher"
  path        = var.iam_path
  description = "Build and push serving images of ${local.name}"
  policy      = data.aws_iam_policy_document.image_pusher.json
  tags        = var.tags
}

data "aws_iam_policy_document" "image_pusher" {
  source_policy_documents = [data.aws_iam_policy_document.image_push.json]

  statement {
    sid       = "AllowFindImages"
    actions   = ["ecr:DescribeImages"]
    resources = [local.image_repository_arn]
  }

  dynamic "statement" {
    for_each = local.has_image_build ? [local.image_build_project_arn] : []

    content {
      sid       = "AllowBuildImages"
      actions   = ["codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = local.has_image_build ? [local.image_build_log_arn] : []

    content {
      sid       = "AllowReadBuildLogs"
      actions   = ["logs:GetLogEvents"]
      resources = ["${statement.value}:*"]
    }
  }

  dynamic "statement" {
    for_each = local.has_image_build ? [local.image_sources] : []

    content {
      sid       = "AllowWriteSources"
      actions   = ["s3:DeleteObject", "s3:PutObject", "s3:PutObjectTagging"]
      resources = ["arn:${local.partition}:s3:::${statement.value}/*"]
    }
  }

  dynamic "statement" {
    for_each = local.has_image_build && var.kms_key_arn != null ? [var.kms_key_arn] : []

    content {
      sid       = "AllowEncryptSources"
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

# An identity for CI, without access keys: the given principals assume it.
resource "aws_iam_role" "image_pusher" {
  count = length(var.image_pusher_principal_arns) == 0 ? 0 : 1

  name                  = "${local.global_name}-image-pusher"
  path                  = var.iam_path
  description           = "Builds and pushes serving images of ${local.name}"
  assume_role_policy    = data.aws_iam_policy_document.image_pusher_trust.json
  permissions_boundary  = var.permissions_boundary_arn
  force_detach_policies = true
  tags                  = var.tags
}

data "aws_iam_policy_document" "image_pusher_trust" {
  statement {
    sid     = "GivenPrincipals"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = var.image_pusher_principal_arns
    }
  }
}

resource "aws_iam_role_policy_attachment" "image_pusher" {
  count = length(aws_iam_role.image_pusher)

  role       = aws_iam_role.image_pusher[0].name
  policy_arn = aws_iam_policy.image_pusher.arn
}

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
check "length_of_the_pushers_trust_policy" {
  assert {
    # Three ARNs always fit, also those that are known only after the apply.
    condition     = length(var.image_pusher_principal_arns) <= 3 ? true : length(jsonencode(var.image_pusher_principal_arns)) <= 1900
    error_message = "image_pusher_principal_arns has ${length(var.image_pusher_principal_arns)} ARNs, which make a trust policy of more than 2,048 characters, IAM's default quota. Name fewer, attach the policy of output image_pusher_policy_arn to your roles instead, or raise the quota \"Role trust policy length\" of the account (up to 8,192)."
  }
}
