# Which parts there are, and what is refused. tests/policy checks the policies on real plans.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name         = "churn"
  environment          = "dev"
  can_train            = true
  runner_policy_arn    = "arn:aws:iam::111122223333:policy/churn-dev-pipeline-runner"
  tracking_policy_arn  = "arn:aws:iam::111122223333:policy/churn-dev-mlflow-writer"
  deployer_policy_arns = ["arn:aws:iam::111122223333:policy/churn-dev-mlflow-writer"]
}

run "without_a_delivery_there_is_nothing" {
  command = plan

  assert {
    condition     = length(aws_codepipeline.delivery) + length(aws_codebuild_project.delivery) + length(aws_s3_bucket.artifacts) + length(aws_iam_role.build) + length(aws_cloudwatch_event_rule.pushed) == 0 && output.delivery_pipeline_name == null
    error_message = "The delivery is optional."
  }
}

run "codecommit_starts_by_an_event_and_github_by_its_connection" {
  command = plan

  variables {
    delivery = { source = { codecommit_repository = "models" }, model_name = "iris", image_uri = "training:1" }
  }

  assert {
    condition     = aws_codepipeline.delivery[0].stage[0].action[0].configuration.PollForSourceChanges == "false" && length(aws_cloudwatch_event_rule.pushed) == 1
    error_message = "A push to CodeCommit starts the pipeline once, by an event."
  }
  assert {
    condition     = [for stage in aws_codepipeline.delivery[0].stage : stage.name] == ["Source", "Train", "Approve", "Deploy"]
    error_message = "Nothing is deployed without an approval."
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.approved[0].event_pattern).detail.UpdatedModelPackageFields == ["ModelApprovalStatus", { exists = false }]
    error_message = "A change of an approved package's metadata must not deploy it again."
  }
  assert {
    condition     = length(aws_cloudwatch_event_rule.failed) == 0
    error_message = "Without a topic there are no notifications."
  }
}

run "a_topic_gets_requests_for_approval_and_failures" {
  command = plan

  variables {
    notify                 = true
    notification_topic_arn = "arn:aws:sns:us-east-1:111122223333:alerts"
    delivery = {
      source     = { connection_arn = "arn:aws:codeconnections:us-east-1:111122223333:connection/11111111-2222-3333-4444-555555555555", repository = "acme/models" }
      model_name = "iris"
      image_uri  = "training:1"
    }
  }

  assert {
    condition     = aws_codepipeline.delivery[0].stage[2].action[0].configuration.NotificationArn == var.notification_topic_arn && aws_cloudwatch_event_target.failed[0].arn == var.notification_topic_arn
    error_message = "The topic gets requests for approval and failures."
  }
  assert {
    condition     = one([for source in aws_codebuild_project.delivery["approved"].source : source.location]) == "https://github.com/acme/models.git" && length(aws_cloudwatch_event_rule.pushed) == 0
    error_message = "GitHub's connection starts the pipeline. A package's deployment clones the repository."
  }
}

run "two_sources_are_refused" {
  command = plan

  variables {
    delivery = { source = { codecommit_repository = "models", repository = "acme/models" }, model_name = "iris", image_uri = "training:1" }

    deployer_policy_arns = ["arn:aws:iam::111122223333:policy/a", ""]
  }

  expect_failures = [var.delivery, var.deployer_policy_arns]
}

run "a_connection_without_a_repository_is_refused" {
  command = plan

  variables {
    delivery = {
      source     = { connection_arn = "arn:aws:codeconnections:us-east-1:111122223333:connection/11111111-2222-3333-4444-555555555555" }
      model_name = "iris"
      image_uri  = "training:1"
    }
  }

  expect_failures = [var.delivery]
}

run "arguments_that_a_shell_would_interpret_are_refused" {
  command = plan

  variables {
    delivery = { source = { codecommit_repository = "models" }, model_name = "iris", image_uri = "training:1", training_arguments = ["--set=train.family=a; true"] }
  }

  expect_failures = [var.delivery]
}

run "a_delivery_without_a_training_pipeline_is_refused" {
  command = plan

  variables {
    can_train = false
    delivery  = { source = { codecommit_repository = "models" }, model_name = "iris", image_uri = "training:1" }
  }

  expect_failures = [aws_iam_role.pipeline]
}

run "tags_whose_keys_differ_only_in_case_are_refused" {
  command = plan

  variables {
    tags = { Project = "churn" }
  }

  override_data {
    target = data.aws_default_tags.current
    values = { tags = { project = "churn" } }
  }

  expect_failures = [data.aws_default_tags.current]
}

run "a_tag_may_override_a_default_tag" {
  command = plan

  variables {
    tags = { project = "churn" }
  }

  override_data {
    target = data.aws_default_tags.current
    values = { tags = { project = "other" } }
  }
}

run "tags_and_default_tags_are_counted_together" {
  command = plan

  variables {
    tags = { for number in range(50) : "tag-${number}" => "" }
  }

  override_data {
    target = data.aws_default_tags.current
    values = { tags = { managed-by = "terraform" } }
  }

  expect_failures = [data.aws_default_tags.current]
}
