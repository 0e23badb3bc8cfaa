# From a push to a validated endpoint. Approving what was trained is a decision of a person.
resource "aws_codepipeline" "delivery" {
  count = local.has_delivery ? 1 : 0

  name          = local.prefix
  role_arn      = aws_iam_role.pipeline[0].arn
  pipeline_type = "V2"

  # A newer commit takes the place of an older one that waits for the same stage.
  execution_mode = "SUPERSEDED"
  tags           = var.tags

  artifact_store {
    type     = "S3"
    location = aws_s3_bucket.artifacts[0].bucket

    dynamic "encryption_key" {
      for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

      content {
        type = "KMS"
        id   = encryption_key.value
      }
    }
  }

  stage {
    name = "Source"

    action {
      name             = "Source"
      category         = "Source"
      owner            = "AWS"
      provider         = local.codecommit == null ? "CodeStarSourceConnection" : "CodeCommit"
      version          = "1"
      namespace        = "Source"
      output_artifacts = ["Code"]

      # The rule below starts the pipeline after a push to CodeCommit: AWS recommends events over polling.
      configuration = local.codecommit == null ? {
        ConnectionArn    = local.connection_arn
        FullRepositoryId = local.github
        BranchName       = local.branch
        DetectChanges    = "true"
        } : {
        RepositoryName       = local.codecommit
        BranchName           = local.branch
        PollForSourceChanges = "false"
      }
    }
  }

  stage {
    name = "Train"

    action {
      name            = "Train"
      category        = "Build"
      owner           = "AWS"
      provider        = "CodeBuild"
      version         = "1"
      namespace       = "Train"
      input_artifacts = ["Code"]

      configuration = {
        ProjectName = aws_codebuild_project.delivery["train"].name
      }
    }
  }

  stage {
    name = "Approve"

    action {
      name     = "Approve"
      category = "Approval"
      owner    = "AWS"
      provider = "Manual"
      version  = "1"

      configuration = merge(
        { CustomData = "Deploy #{Train.MODEL_URI}, trained from commit #{Source.CommitId}, to the endpoint ${local.package_group_name}?" },
        local.has_topic ? { NotificationArn = var.notification_topic_arn } : {},
      )
    }
  }

  stage {
    name = "Deploy"

    action {
      name            = "Deploy"
      category        = "Build"
      owner           = "AWS"
      provider        = "CodeBuild"
      version         = "1"
      input_artifacts = ["Code"]

      # The version that was approved, whatever was registered since.
      configuration = {
        ProjectName          = aws_codebuild_project.delivery["deploy"].name
        EnvironmentVariables = jsonencode([{ name = "MODEL_URI", value = "#{Train.MODEL_URI}", type = "PLAINTEXT" }])
      }
    }
  }

  # The first execution starts with the pipeline's creation.
  depends_on = [
    aws_iam_role_policy.pipeline,
    aws_s3_bucket_policy.artifacts,
    aws_s3_bucket_server_side_encryption_configuration.artifacts,
  ]
}
