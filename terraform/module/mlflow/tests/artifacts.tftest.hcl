# New, existing and encrypted buckets.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "by_default_a_bucket_is_private_encrypted_versioned_and_kept_and_old_versions_go_after_90_days" {
  command = plan

  assert {
    condition     = aws_s3_bucket_versioning.artifacts[0].versioning_configuration[0].status == "Enabled"
    error_message = "An overwritten or deleted artifact must be recoverable."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.artifacts[0].block_public_acls,
      aws_s3_bucket_public_access_block.artifacts[0].block_public_policy,
      aws_s3_bucket_public_access_block.artifacts[0].ignore_public_acls,
      aws_s3_bucket_public_access_block.artifacts[0].restrict_public_buckets,
    ])
    error_message = "All four blocks must be on."
  }
  assert {
    condition     = aws_s3_bucket_ownership_controls.artifacts[0].rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "Objects must belong to the bucket's owner whoever uploads them."
  }
  assert {
    condition     = !aws_s3_bucket.artifacts[0].force_destroy
    error_message = "A destroy must not take artifacts with it unless somebody says so."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 7
    error_message = "Uploads that broke off must be aborted."
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.artifacts[0].rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "Without a key SSE-S3 must encrypt."
  }
  assert {
    condition     = length(aws_kms_key.artifacts) == 0
    error_message = "No key must be made, and paid for, that nobody asked for."
  }
  assert {
    condition     = join(" ", aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[*].id) == "abort-incomplete-uploads expire-old-versions"
    error_message = "No artifact may be deleted or moved unless somebody asks for it."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[1].noncurrent_version_expiration[0].noncurrent_days == 90
    error_message = "Old versions must not be kept, and paid for, for ever."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[1].expiration[0].expired_object_delete_marker
    error_message = "Markers with nothing below them must go too."
  }
  assert {
    condition     = length(aws_s3_bucket_logging.artifacts) == 0 && length(aws_s3_bucket_cors_configuration.artifacts) == 0
    error_message = "Logs and cross-origin reads must be asked for."
  }
}

run "a_created_key_rotates_encrypts_the_bucket_and_can_be_saved_as_long_as_asked" {
  variables {
    kms_key_deletion_window_days = 7
    create_kms_key               = true
  }

  assert {
    condition     = aws_kms_key.artifacts[0].enable_key_rotation
    error_message = "The key must rotate."
  }
  assert {
    condition     = aws_kms_alias.artifacts[0].name == "alias/churn-dev-mlflow-artifacts"
    error_message = "People must find the key by a name."
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.artifacts[0].rule).apply_server_side_encryption_by_default[0].kms_master_key_id == aws_kms_key.artifacts[0].arn
    error_message = "The bucket must be encrypted with the new key."
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.artifacts[0].rule).bucket_key_enabled
    error_message = "Without a bucket key every read is a KMS request."
  }
  assert {
    condition     = output.kms_key_arn == aws_kms_key.artifacts[0].arn
    error_message = "Clients need the key's ARN."
  }
  assert {
    condition     = aws_kms_key.artifacts[0].deletion_window_in_days == 7
    error_message = "The window must be the one that was asked for."
  }
}

run "an_existing_key_encrypts_the_bucket_and_none_is_made" {
  command = plan

  variables {
    kms_key_id = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234567890abcdef1234567890abcdef"
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.artifacts[0].rule).apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_id
    error_message = "The bucket must be encrypted with the given key."
  }
  assert {
    condition     = length(aws_kms_key.artifacts) == 0 && output.kms_key_arn == var.kms_key_id
    error_message = "The given key must be the only one."
  }
}

run "an_existing_bucket_is_left_alone" {
  command = plan

  variables {
    create_s3_bucket   = false
    bucket_name_suffix = null
    artifact_store_uri = "s3://data-lake/mlflow/churn/"
  }

  assert {
    condition = 0 == sum([
      length(aws_s3_bucket.artifacts),
      length(aws_s3_bucket_policy.artifacts),
      length(aws_s3_bucket_versioning.artifacts),
      length(aws_s3_bucket_public_access_block.artifacts),
      length(aws_s3_bucket_ownership_controls.artifacts),
      length(aws_s3_bucket_lifecycle_configuration.artifacts),
      length(aws_s3_bucket_server_side_encryption_configuration.artifacts),
    ])
    error_message = "Nothing about somebody else's bucket may be managed here."
  }
  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["3.0"].artifact_store_uri == "s3://data-lake/mlflow/churn"
    error_message = "The server must be given the prefix without its closing slash, or artifact paths hold an empty part."
  }
  assert {
    condition     = output.artifact_bucket_name == "data-lake"
    error_message = "The bucket's name must be found in the URI."
  }
}

run "an_existing_key_may_be_given_by_its_id" {
  command = plan

  variables {
    kms_key_id = "11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = output.kms_key_arn == "arn:${data.aws_partition.current.partition}:kms:${data.aws_region.current.id}:111122223333:key/11111111-2222-3333-4444-555555555555"
    error_message = "Policies need the key's ARN."
  }
}

run "an_existing_key_may_be_given_by_its_alias" {
  command = plan

  variables {
    kms_key_alias = "alias/data-lake"
  }

  assert {
    condition     = output.kms_key_arn == "arn:aws:kms:us-east-1:111122223333:key/99999999-2222-3333-4444-555555555555"
    error_message = "Policies need the ARN of the key that the alias means."
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.artifacts[0].rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
    error_message = "The bucket must be encrypted with that key."
  }
}

run "every_version_is_kept_where_that_is_asked_and_logs_go_under_the_given_prefix" {
  command = plan

  variables {
    access_logs                        = { bucket = "acme-access-logs", prefix = "mlflow/" }
    noncurrent_version_expiration_days = null
  }

  assert {
    condition     = join(" ", aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[*].id) == "abort-incomplete-uploads"
    error_message = "With null no version may be deleted."
  }
  assert {
    condition     = aws_s3_bucket_logging.artifacts[0].target_prefix == "mlflow/"
    error_message = "The prefix must be the one that was asked for."
  }
}

run "old_artifacts_move_and_deleted_ones_go_where_that_is_asked" {
  command = plan

  variables {
    noncurrent_version_expiration_days = 30
    artifact_transition                = { days = 180, storage_class = "GLACIER_IR" }
    deleted_artifact_expiration_days   = 14
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[1].noncurrent_version_expiration[0].noncurrent_days == 30
    error_message = "Old versions must go when it was asked."
  }
  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[2].transition).days == 180 && one(aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[2].transition).storage_class == "GLACIER_IR"
    error_message = "Old artifacts must move when and where it was asked."
  }
  assert {
    condition     = one(one(aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[3].filter).tag).key == "mlflow.deleted" && one(one(aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[3].filter).tag).value == "true"
    error_message = "Only what is tagged as deleted may be deleted."
  }
  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[3].expiration).days == 14
    error_message = "What is tagged as deleted must go when it was asked."
  }
}

run "access_is_logged_under_the_buckets_own_name_and_named_origins_may_read_and_never_write" {
  command = plan

  variables {
    cors_allowed_origins = ["https://d-abcdefghijkl.studio.us-east-1.sagemaker.aws", "https://*.acme.example:8443"]
    access_logs          = { bucket = "acme-access-logs" }
  }

  assert {
    condition     = aws_s3_bucket_logging.artifacts[0].target_bucket == "acme-access-logs" && aws_s3_bucket_logging.artifacts[0].target_prefix == "churn-dev-mlflow-artifacts-acme/"
    error_message = "Logs of several buckets must not mix."
  }
  assert {
    condition     = length(one(aws_s3_bucket_cors_configuration.artifacts[0].cors_rule).allowed_origins) == 2
    error_message = "The named origins must be let in."
  }
  assert {
    condition     = join(" ", sort(one(aws_s3_bucket_cors_configuration.artifacts[0].cors_rule).allowed_methods)) == "GET HEAD"
    error_message = "No page may write artifacts."
  }
}
