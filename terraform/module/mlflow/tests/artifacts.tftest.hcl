# New, existing and encrypted buckets.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "a_new_bucket_is_private_versioned_owned_and_kept" {
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
}

run "without_a_key_s3_encrypts_with_its_own" {
  command = plan

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.artifacts[0].rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "Without a key SSE-S3 must encrypt."
  }
  assert {
    condition     = length(aws_kms_key.artifacts) == 0
    error_message = "No key must be made, and paid for, that nobody asked for."
  }
}

run "a_created_key_rotates_and_encrypts_the_bucket" {
  variables {
    create_kms_key = true
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
