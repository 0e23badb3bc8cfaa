# What just passes. What is refused, with its message, tests/plan/test_refusals.py plans in one go.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name = "churn"
  environment  = "dev"
}

run "a_bucket_name_of_63_characters_and_the_last_minute_of_the_week_are_accepted" {
  command = plan
  variables {
    bucket_name_suffix              = "acme-67890-234567890-234567890-23456"
    weekly_maintenance_window_start = "Sun:23:59"
  }
  assert {
    condition     = length(aws_s3_bucket.artifacts[0].bucket) == 63
    error_message = "This test must try the longest name."
  }
}
