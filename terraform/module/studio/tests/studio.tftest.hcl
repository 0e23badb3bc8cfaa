# What the module makes with and without a domain. tests/policy checks the policies on real plans.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  reader_policy_arns = ["arn:aws:iam::111122223333:policy/churn-dev-mlflow-reader", "arn:aws:iam::111122223333:policy/churn-dev-mlflow-reader-artifacts"]
  writer_policy_arns = ["arn:aws:iam::111122223333:policy/churn-dev-mlflow-writer", "arn:aws:iam::111122223333:policy/churn-dev-mlflow-writer-artifacts"]
  can_train          = false
}

run "without_studio_there_is_nothing" {
  command = plan

  assert {
    condition     = length(aws_sagemaker_domain.studio) == 0 && length(aws_iam_role.studio) == 0 && length(aws_iam_role_policy_attachment.client) == 0
    error_message = "Studio is optional."
  }
  assert {
    condition     = output.studio_domain_id == null && output.studio_url == null && output.studio_role_arns == null && output.studio_user_profile_arns == null
    error_message = "Outputs exist without Studio too."
  }
}

run "a_domain_of_readers_without_internet" {
  command = plan

  variables {
    studio = {
      vpc_id             = "vpc-0123456789abcdef0"
      subnet_ids         = ["subnet-0123456789abcdef0"]
      security_group_ids = ["sg-0123456789abcdef0"]
      user_profiles      = { ana = "reader" }
    }
  }

  assert {
    condition     = aws_sagemaker_domain.studio[0].domain_name == "churn-dev" && aws_sagemaker_domain.studio[0].auth_mode == "IAM" && aws_sagemaker_domain.studio[0].app_network_access_type == "VpcOnly"
    error_message = "Traffic stays in the VPC by default."
  }
  assert {
    condition     = aws_sagemaker_domain.studio[0].retention_policy[0].home_efs_file_system == "Retain"
    error_message = "The users' files outlive the domain by default."
  }
  assert {
    condition     = alltrue([for settings in [aws_sagemaker_domain.studio[0].default_user_settings[0], aws_sagemaker_user_profile.user["ana"].user_settings[0]] : alltrue([for application in [settings.jupyter_lab_app_settings[0], settings.code_editor_app_settings[0]] : application.app_lifecycle_management[0].idle_settings[0].idle_timeout_in_minutes == 120])])
    error_message = "An application that nobody uses stops."
  }
  assert {
    condition     = keys(aws_iam_role.studio) == ["reader"] && keys(aws_iam_role_policy_attachment.client) == ["reader/0", "reader/1"]
    error_message = "Without writers there is no role of writers."
  }
}

run "writers_train_if_there_is_a_training_pipeline" {
  command = plan

  variables {
    can_train                           = true
    runner_policy_arn                   = "arn:aws:iam::111122223333:policy/churn-dev-pipeline-runner"
    global_name_prefix                  = "euw1-"
    dangerously_delete_homes_on_destroy = true

    studio = {
      vpc_id             = "vpc-0123456789abcdef0"
      subnet_ids         = ["subnet-0123456789abcdef0"]
      security_group_ids = []
      user_profiles      = { ana = "writer", ben = "reader" }
      internet_access    = true
      kms_key_arn        = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
      idle_minutes       = 60
    }
  }

  assert {
    condition     = aws_iam_role_policy_attachment.runner[0].role == "euw1-churn-dev-studio-writer" && length(aws_iam_role_policy_attachment.client) == 4
    error_message = "Each role has the policies of its level."
  }
  assert {
    condition     = aws_sagemaker_domain.studio[0].app_network_access_type == "PublicInternetOnly" && aws_sagemaker_domain.studio[0].kms_key_id == var.studio.kms_key_arn
    error_message = "Internet and a key of your own are options."
  }
  assert {
    condition     = aws_sagemaker_domain.studio[0].retention_policy[0].home_efs_file_system == "Delete"
    error_message = "The files are deleted only if the caller says so."
  }
  assert {
    condition     = keys(aws_sagemaker_user_profile.user) == ["ana", "ben"]
    error_message = "Each user has a profile."
  }
}

run "a_domain_without_internet_needs_a_security_group" {
  command = plan

  variables {
    studio = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = [], user_profiles = {} }
  }

  expect_failures = [var.studio]
}

run "a_fifth_security_group_is_refused" {
  command = plan

  variables {
    studio = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1", "sg-2", "sg-3", "sg-4", "sg-5"], user_profiles = {} }
  }

  expect_failures = [var.studio]
}

run "a_name_is_no_security_group" {
  command = plan

  variables {
    studio = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["studio"], user_profiles = {} }
  }

  expect_failures = [var.studio]
}

run "a_level_that_does_not_exist_is_refused" {
  command = plan

  variables {
    studio = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"], user_profiles = { ana = "admin" } }
  }

  expect_failures = [var.studio]
}

run "a_name_that_aws_does_not_allow_is_refused" {
  command = plan

  variables {
    studio = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"], user_profiles = { "ana@example.com" = "reader" } }
  }

  expect_failures = [var.studio]
}

run "an_alias_is_no_key" {
  command = plan

  variables {
    studio = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"], user_profiles = {}, kms_key_arn = "alias/studio" }
  }

  expect_failures = [var.studio]
}

run "a_time_that_aws_does_not_allow_is_refused" {
  command = plan

  variables {
    studio = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"], user_profiles = {}, idle_minutes = 30 }
  }

  expect_failures = [var.studio]
}

run "a_name_that_iam_does_not_allow_is_refused" {
  command = plan

  variables {
    project_name = "a-project-with-a-name-that-is-much-longer-than-iam-allows-it"
    studio       = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"], user_profiles = {} }
  }

  expect_failures = [aws_iam_role.studio]
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
