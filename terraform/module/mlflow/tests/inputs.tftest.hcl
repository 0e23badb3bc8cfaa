# What is refused, and what just passes. The messages are read by tests/plan.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "a_patch_version_is_refused" {
  command = plan
  variables {
    mlflow_version = "3.0.0"
  }
  expect_failures = [var.mlflow_version]
}

run "an_unknown_size_is_refused" {
  command = plan
  variables {
    tracking_server_size = "small"
  }
  expect_failures = [var.tracking_server_size]
}

run "capitals_in_names_are_refused" {
  command = plan
  variables {
    project_name       = "Churn"
    environment        = "Dev"
    bucket_name_suffix = "Acme"
  }
  expect_failures = [var.project_name, var.environment, var.bucket_name_suffix]
}

run "a_window_outside_the_day_is_refused" {
  command = plan
  variables {
    weekly_maintenance_window_start = "Tue:24:00"
  }
  expect_failures = [var.weekly_maintenance_window_start]
}

run "a_window_without_a_day_is_refused" {
  command = plan
  variables {
    weekly_maintenance_window_start = "03:30"
  }
  expect_failures = [var.weekly_maintenance_window_start]
}

run "the_last_minute_of_the_week_is_a_window" {
  command = plan
  variables {
    weekly_maintenance_window_start = "Sun:23:59"
  }
}

run "a_new_and_an_existing_bucket_at_once_are_refused" {
  command = plan
  variables {
    artifact_store_uri = "s3://data-lake"
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "no_bucket_at_all_is_refused" {
  command = plan
  variables {
    create_s3_bucket = false
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "a_new_bucket_without_a_suffix_is_refused" {
  command = plan
  variables {
    bucket_name_suffix = null
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "a_bucket_name_of_63_characters_is_accepted" {
  command = plan
  variables {
    bucket_name_suffix = "acme-67890-234567890-234567890-23456"
  }
  assert {
    condition     = length(aws_s3_bucket.artifacts[0].bucket) == 63
    error_message = "This test must try the longest name."
  }
}

run "a_bucket_name_of_64_characters_is_refused" {
  command = plan
  variables {
    bucket_name_suffix = "acme-67890-234567890-234567890-234567"
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "a_role_name_of_65_characters_is_refused" {
  command = plan
  variables {
    project_name       = "churn-7890-234567890-234567890-234567890-234567890"
    create_s3_bucket   = false
    bucket_name_suffix = null
    artifact_store_uri = "s3://data-lake"
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "an_address_that_is_not_s3_is_refused" {
  command = plan
  variables {
    create_s3_bucket   = false
    artifact_store_uri = "data-lake/mlflow"
  }
  expect_failures = [var.artifact_store_uri]
}

run "a_new_and_an_existing_key_at_once_are_refused" {
  command = plan
  variables {
    create_kms_key = true
    kms_key_id     = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "a_new_key_for_an_existing_bucket_is_refused" {
  command = plan
  variables {
    create_s3_bucket   = false
    artifact_store_uri = "s3://data-lake"
    create_kms_key     = true
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "a_key_named_by_alias_is_refused" {
  command = plan
  variables {
    kms_key_id = "alias/data-lake"
  }
  expect_failures = [var.kms_key_id]
}

run "a_boundary_that_is_no_policy_is_refused" {
  command = plan
  variables {
    permissions_boundary_arn = "boundary"
    additional_role_policies = { lineage = "lineage" }
  }
  expect_failures = [var.permissions_boundary_arn, var.additional_role_policies]
}
