# Builds serving images in CodeBuild, so that no one needs Docker. `scripts/build_image.py` uploads what an image is built from, starts
# a build, and names the image (IMAGE), its base image (BASE_IMAGE) and Python's version (PYTHON_VERSION).
locals {
  has_image_build         = var.image_build != null
  image_build_name        = "${local.name}-serving-image"
  image_build_project_arn = "arn:${local.partition}:codebuild:${local.region}:${local.account_id}:project/${local.image_build_name}"
  image_build_log_group   = "/aws/codebuild/${local.image_build_name}"
  image_build_log_arn     = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:${local.image_build_log_group}"
  image_repository_arn    = "arn:${local.partition}:ecr:${local.region}:${local.account_id}:repository/${local.repository_name}"

  # What images are built from, below this folder of the artifact store. Each object is deleted after its build.
  image_sources = "${local.artifact_path}/images"
}

resource "aws_codebuild_project" "image" {
  count = local.has_image_build ? 1 : 0

  name          = local.image_build_name
  description   = "Builds the serving images of ${local.name}"
  service_role  = aws_iam_role.image_builder[0].arn
  build_timeout = var.image_build.timeout_minutes
  tags          = var.tags

  # Each build names its own source, a zip file in this folder.
  source {
    type     = "S3"
    location = "${local.image_sources}/"
    buildspec = jsonencode({
      version = "0.2"
      phases = {
        pre_build = {
          commands = ["aws ecr get-login-password | docker login --username AWS --password-stdin \"$${IMAGE%%/*}\""]
        }
        build = {
          commands = [
            "docker build --build-arg BASE_IMAGE --build-arg PYTHON_VERSION --build-arg PIP_INDEX_URL --tag \"$IMAGE\" .",
            "docker push \"$IMAGE\"",
          ]
        }
      }
    })
  }

  environment {
    type         = "LINUX_CONTAINER"
    compute_type = var.image_build.compute_type
    image        = "aws/codebuild/amazonlinux-x86_64-standard:5.0"

    # Docker in a build needs it: https://docs.aws.amazon.com/codebuild/latest/userguide/sample-docker-section.html
    privileged_mode = true

    # SageMaker does not accept an index of manifests, which BuildKit's attestations would need.
    environment_variable {
      name  = "BUILDX_NO_DEFAULT_ATTESTATIONS"
      value = "1"
    }

    dynamic "environment_variable" {
      for_each = var.image_build.package_index_url == null ? [] : [var.image_build.package_index_url]

      content {
        name  = "PIP_INDEX_URL"
        value = environment_variable.value
      }
    }
  }

  dynamic "vpc_config" {
    for_each = var.image_build.vpc == null ? [] : [var.image_build.vpc]

    content {
      vpc_id             = vpc_config.value.vpc_id
      subnets            = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  artifacts {
    type = "NO_ARTIFACTS"
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.image_build[0].name
    }
  }

  depends_on = [aws_iam_role_policy.image_builder]
}

resource "aws_cloudwatch_log_group" "image_build" {
  count = local.has_image_build ? 1 : 0

  name              = local.image_build_log_group
  retention_in_days = 90
  tags              = var.tags
}
