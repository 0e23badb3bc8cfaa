# New and encrypted buckets.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "a_new_bucket_uses_the_given_key_lifecycle_rules_access_logs_and_cors_origins" {
  command = plan

  variables {
    kms_key_id                         = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234567890abcdef1234567890abcdef"
    noncurrent_version_expiration_days = 30
    artifact_transition                = { days = 180, storage_class = "GLACIER_IR" }
    deleted_artifact_expiration_days   = 14
    cors_allowed_origins               = ["https://d-abcdefghijkl.studio.us-east-1.sagemaker.aws", "https://*.acme.example:8443"]
    access_logs                        = { bucket = "acme-access-logs" }
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.artifacts[0].rule).apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_id
    error_message = "The bucket must be encrypted with the given key."
  }
  assert {
    condition     = length(aws_kms_key.artifacts) == 0 && output.kms_key_arn == var.kms_key_id
    error_message = "The given key must be the only one."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[1].noncurrent_version_expiration[0].noncurrent_days == 30
    error_message = "Old versions must expire after the given days."
  }
  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[2].transition).days == 180 && one(aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[2].transition).storage_class == "GLACIER_IR"
    error_message = "Old artifacts must move to the given class after the given days."
  }
  assert {
    condition     = one(one(aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[3].filter).tag).key == "mlflow.deleted" && one(one(aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[3].filter).tag).value == "true"
    error_message = "Only objects with the tag may be deleted."
  }
  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[3].expiration).days == 14
    error_message = "Tagged objects must expire after the given days."
  }
  assert {
    condition     = aws_s3_bucket_logging.artifacts[0].target_bucket == "acme-access-logs" && aws_s3_bucket_logging.artifacts[0].target_prefix == "churn-dev-mlflow-artifacts-acme/"
    error_message = "The default log prefix must be the bucket's name."
  }
  assert {
    condition     = length(one(aws_s3_bucket_cors_configuration.artifacts[0].cors_rule).allowed_origins) == 2
    error_message = "The given origins must be allowed."
  }
  assert {
    condition     = join(" ", sort(one(aws_s3_bucket_cors_configuration.artifacts[0].cors_rule).allowed_methods)) == "GET HEAD"
    error_message = "Web pages must not write artifacts."
  }
}

run "a_key_alias_unlimited_versions_a_log_prefix_and_the_longest_bucket_name_are_accepted" {
  command = plan

  variables {
    bucket_name_suffix                 = "acme-67890-234567890-234567890-23456"
    kms                                = { alias = "alias/data-lake" }
    access_logs                        = { bucket = "acme-access-logs", prefix = "mlflow/" }
    noncurrent_version_expiration_days = null
  }

  assert {
    condition     = output.kms_key_arn == "arn:aws:kms:us-east-1:111122223333:key/99999999-2222-3333-4444-555555555555"
    error_message = "Policies need the ARN of the key that the alias means."
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.artifacts[0].rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
    error_message = "The bucket must be encrypted with that key."
  }
  assert {
    condition     = join(" ", aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[*].id) == "abort-incomplete-uploads"
    error_message = "With null, no version may be deleted."
  }
  assert {
    condition     = aws_s3_bucket_logging.artifacts[0].target_prefix == "mlflow/"
    error_message = "The prefix must be the given one."
  }
  assert {
    condition     = length(aws_s3_bucket.artifacts[0].bucket) == 63
    error_message = "This test must use the longest allowed name."
  }
}
