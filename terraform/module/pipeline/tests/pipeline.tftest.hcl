# Whether there is a role, and its name. tests/policy checks the policies on real plans.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name        = "churn"
  environment         = "dev"
  artifact_store_uri  = "s3://churn-dev-mlflow-artifacts-acme"
  tracking_policy_arn = "arn:aws:iam::111122223333:policy/churn-dev-mlflow-writer"
}

run "without_a_training_pipeline_there_is_nothing" {
  command = plan

  assert {
    condition     = length(aws_iam_role.pipeline) == 0 && length(aws_iam_policy.runner) == 0 && output.pipeline_role_arn == null && output.pipeline_runner_policy_arn == null
    error_message = "The pipeline is optional."
  }
}

run "the_role_logs_to_mlflow_and_is_published" {
  command = plan

  variables {
    training_pipeline = { image_repositories = ["training"] }
  }

  assert {
    condition     = aws_iam_role.pipeline[0].name == "churn-dev-pipeline-role" && aws_iam_role_policy_attachment.tracking[0].policy_arn == var.tracking_policy_arn
    error_message = "The jobs log to MLflow with the writers' policy."
  }
  assert {
    condition     = aws_ssm_parameter.output["pipeline_role_arn"].name == "/churn/dev/pipeline_role_arn"
    error_message = "Clients without Terraform's state find the role in Parameter Store."
  }
}

run "an_address_is_no_name_of_a_repository" {
  command = plan

  variables {
    training_pipeline = { image_repositories = ["111122223333.dkr.ecr.us-east-1.amazonaws.com/training:1"] }
  }

  expect_failures = [var.training_pipeline]
}

run "a_name_that_iam_does_not_allow_is_refused" {
  command = plan

  variables {
    project_name      = "a-project-with-a-name-that-is-much-longer-than-iam-allows-it"
    training_pipeline = {}
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
