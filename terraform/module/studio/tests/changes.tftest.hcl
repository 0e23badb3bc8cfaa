# What cannot change in a domain that exists.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  reader_policy_arns = []
  writer_policy_arns = []
  can_train          = false
  studio             = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1", "sg-2"], user_profiles = { ana = "reader" } }
}

run "a_domain" {
  command = apply
}

run "another_security_group_goes_to_the_profiles" {
  command = plan

  variables {
    studio = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1", "sg-2", "sg-3"], user_profiles = { ana = "reader" } }
  }

  assert {
    condition     = length(aws_sagemaker_domain.studio[0].default_user_settings[0].security_groups) == 2 && length(aws_sagemaker_user_profile.user["ana"].user_settings[0].security_groups) == 3
    error_message = "The provider cannot update the domain."
  }
}

run "a_security_group_that_the_domain_keeps_is_not_removed_silently" {
  command = plan

  variables {
    studio = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"], user_profiles = { ana = "reader" } }
  }

  expect_failures = [aws_sagemaker_domain.studio]
}

run "a_changed_retention_is_not_ignored_silently" {
  command = plan

  variables {
    dangerously_delete_homes_on_destroy = true
  }

  expect_failures = [check.studio_files]
}
