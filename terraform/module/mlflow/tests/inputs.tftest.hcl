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


run "a_boundary_that_is_no_policy_is_refused" {
  command = plan
  variables {
    permissions_boundary_arn = "boundary"
    additional_role_policies = { lineage = "lineage" }
  }
  expect_failures = [var.permissions_boundary_arn, var.additional_role_policies]
}

run "an_alias_as_the_keys_id_is_refused" {
  command = plan
  variables {
    kms_key_id = "alias/data-lake"
  }
  expect_failures = [var.kms_key_id]
}

run "an_id_as_the_keys_alias_is_refused" {
  command = plan
  variables {
    kms_key_alias = "11111111-2222-3333-4444-555555555555"
  }
  expect_failures = [var.kms_key_alias]
}

run "a_key_named_twice_is_refused" {
  command = plan
  variables {
    kms_key_id    = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    kms_key_alias = "alias/data-lake"
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "a_new_key_and_an_alias_at_once_are_refused" {
  command = plan
  variables {
    create_kms_key = true
    kms_key_alias  = "alias/data-lake"
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "a_deletion_window_of_6_days_is_refused" {
  command = plan
  variables {
    kms_key_deletion_window_days = 6
  }
  expect_failures = [var.kms_key_deletion_window_days]
}

run "a_deletion_window_of_31_days_is_refused" {
  command = plan
  variables {
    kms_key_deletion_window_days = 31
  }
  expect_failures = [var.kms_key_deletion_window_days]
}

run "wildcards_among_the_keys_administrators_are_refused" {
  command = plan
  variables {
    create_kms_key             = true
    kms_key_administrator_arns = ["arn:aws:iam::111122223333:role/*"]
  }
  expect_failures = [var.kms_key_administrator_arns]
}

run "administrators_of_no_key_are_refused" {
  command = plan
  variables {
    kms_key_administrator_arns = ["arn:aws:iam::111122223333:role/key-admin"]
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "versions_kept_for_no_time_are_refused" {
  command = plan
  variables {
    noncurrent_version_expiration_days = 0
  }
  expect_failures = [var.noncurrent_version_expiration_days]
}

run "half_a_day_is_refused" {
  command = plan
  variables {
    deleted_artifact_expiration_days = 0.5
  }
  expect_failures = [var.deleted_artifact_expiration_days]
}

run "a_class_that_must_be_restored_first_is_refused" {
  command = plan
  variables {
    artifact_transition = { days = 90, storage_class = "DEEP_ARCHIVE" }
  }
  expect_failures = [var.artifact_transition]
}

run "a_class_that_takes_no_young_objects_is_refused_for_them" {
  command = plan
  variables {
    artifact_transition = { days = 29, storage_class = "STANDARD_IA" }
  }
  expect_failures = [var.artifact_transition]
}

run "a_log_bucket_by_address_is_refused" {
  command = plan
  variables {
    access_logs = { bucket = "s3://acme-access-logs" }
  }
  expect_failures = [var.access_logs]
}

run "logging_into_the_artifact_bucket_is_refused" {
  command = plan
  variables {
    access_logs = { bucket = "churn-dev-mlflow-artifacts-acme" }
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "an_origin_without_tls_is_refused" {
  command = plan
  variables {
    cors_allowed_origins = ["http://studio.acme.example"]
  }
  expect_failures = [var.cors_allowed_origins]
}

run "every_origin_at_once_is_refused" {
  command = plan
  variables {
    cors_allowed_origins = ["*"]
  }
  expect_failures = [var.cors_allowed_origins]
}

run "settings_of_a_bucket_that_is_left_alone_are_refused" {
  command = plan
  variables {
    create_s3_bucket     = false
    bucket_name_suffix   = null
    artifact_store_uri   = "s3://data-lake"
    cors_allowed_origins = ["https://studio.acme.example"]
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "an_existing_role_beside_a_new_one_is_refused" {
  command = plan
  variables {
    role_arn = "arn:aws:iam::111122223333:role/mlflow-server"
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "no_role_at_all_is_refused" {
  command = plan
  variables {
    create_role = false
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "policies_for_a_role_that_is_left_alone_are_refused" {
  command = plan
  variables {
    create_role              = false
    role_arn                 = "arn:aws:iam::111122223333:role/mlflow-server"
    additional_role_policies = { lineage = "arn:aws:iam::111122223333:policy/lineage" }
  }
  expect_failures = [data.aws_caller_identity.current]
}

run "a_role_by_its_name_is_refused" {
  command = plan
  variables {
    create_role = false
    role_arn    = "mlflow-server"
  }
  expect_failures = [var.role_arn]
}

run "clients_roles_by_their_arns_are_refused" {
  command = plan
  variables {
    reader_role_names = ["arn:aws:iam::111122223333:role/r"]
    writer_role_names = ["arn:aws:iam::111122223333:role/w"]
    admin_role_names  = ["arn:aws:iam::111122223333:role/a"]
  }
  expect_failures = [var.reader_role_names, var.writer_role_names, var.admin_role_names]
}

run "a_deployment_policy_that_is_none_is_refused" {
  command = plan
  variables {
    deployment_policy_document = "arn:aws:iam::111122223333:policy/deploy"
  }
  expect_failures = [var.deployment_policy_document]
}
