# The defaults. AWS is mocked here, and a mocked policy document contains no policy, so other tests check policies on real plans.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "the_defaults_are_a_small_server_a_private_bucket_and_no_optional_resources" {
  command = plan

  assert {
    condition     = join(" ", keys(aws_sagemaker_mlflow_tracking_server.this)) == "3.0"
    error_message = "There must be exactly one server, of version 3.0."
  }
  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["3.0"].tracking_server_name == "churn-dev-3-0"
    error_message = "The name must end in the version, so that two versions can exist at the same time."
  }
  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["3.0"].tracking_server_size == "Small"
    error_message = "The default must be the cheapest size."
  }
  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["3.0"].automatic_model_registration
    error_message = "Registration must be on by default: the provider cannot turn it off again."
  }
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
    error_message = "All four public access blocks must be on."
  }
  assert {
    condition     = aws_s3_bucket_ownership_controls.artifacts[0].rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "Objects must belong to the bucket's owner, regardless of who uploads them."
  }
  assert {
    condition     = !aws_s3_bucket.artifacts[0].force_destroy
    error_message = "A destroy must not delete artifacts by default."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 7
    error_message = "Interrupted uploads must be aborted."
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.artifacts[0].rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "Without a key, SSE-S3 must encrypt."
  }
  assert {
    condition     = length(aws_kms_key.artifacts) == 0
    error_message = "By default there must be no KMS key, which costs money."
  }
  assert {
    condition     = join(" ", aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[*].id) == "abort-incomplete-uploads expire-old-versions"
    error_message = "By default no artifact may be deleted or moved."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[1].noncurrent_version_expiration[0].noncurrent_days == 90
    error_message = "Old versions must expire."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.artifacts[0].rule[1].expiration[0].expired_object_delete_marker
    error_message = "Delete markers without older versions must expire."
  }
  assert {
    condition     = length(aws_s3_bucket_logging.artifacts) == 0 && length(aws_s3_bucket_cors_configuration.artifacts) == 0
    error_message = "Access logs and CORS must be off by default."
  }
  assert {
    condition     = join(" ", [for policy in aws_iam_policy.client : policy.name]) == "churn-dev-mlflow-admin churn-dev-mlflow-reader churn-dev-mlflow-writer"
    error_message = "The policies must have predictable names."
  }
  assert {
    condition     = length(aws_iam_role_policy_attachment.client) == 0
    error_message = "No role may get rights by default."
  }
  assert {
    condition     = length(aws_codebuild_project.backup) + length(aws_scheduler_schedule.backup) + length(aws_s3_object.backup_tool) + length(aws_iam_role.backup) == 0
    error_message = "Without backup, none of its resources may exist."
  }
  assert {
    condition     = output.backup_archive_uri == "s3://churn-dev-mlflow-artifacts-acme/backups/churn-dev-3-0"
    error_message = "The archive address must be known with and without the nightly job."
  }
  assert {
    condition = 0 == sum([
      length(aws_scheduler_schedule.this),
      length(aws_sqs_queue.schedule_failures),
      length(aws_iam_role.scheduler),
      length(aws_cloudwatch_event_rule.server),
      length(aws_cloudwatch_metric_alarm.schedule_failed),
      length(aws_cloudwatch_metric_alarm.schedule_dlq_undeliverable),
      length(aws_sns_topic.events),
      length(aws_kms_key.events),
      length(aws_budgets_budget.monthly),
    ])
    error_message = "Resources that cost money or stop a server must be off by default."
  }
  assert {
    condition     = output.notification_topic_arn == null && output.schedule_failure_queue_url == null
    error_message = "Outputs of resources that do not exist must be null."
  }
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

  expect_failures = [data.aws_caller_identity.current]
}
