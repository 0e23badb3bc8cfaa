# The bucket and the backend settings of the roots. The runs only plan, because Terraform could not delete the bucket after an apply.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  bucket_name = "terraform-states-111122223333"
}

run "states_are_versioned_for_a_year_encrypted_and_private_and_each_root_gets_its_key_and_lock" {
  command = plan

  variables {
    state_keys = { staging = "mlflow/staging/terraform.tfstate" }
  }

  assert {
    condition     = aws_s3_bucket_versioning.states.versioning_configuration[0].status == "Enabled"
    error_message = "A state that was overwritten must be recoverable."
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.states.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "Without a key SSE-S3 must encrypt."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.states.block_public_acls,
      aws_s3_bucket_public_access_block.states.block_public_policy,
      aws_s3_bucket_public_access_block.states.ignore_public_acls,
      aws_s3_bucket_public_access_block.states.restrict_public_buckets,
    ])
    error_message = "All four blocks must be on."
  }
  assert {
    condition     = aws_s3_bucket_ownership_controls.states.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "The bucket's owner must own every state, regardless of the writer."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.states.rule[0].noncurrent_version_expiration[0].noncurrent_days == 365
    error_message = "Old versions must be kept for a year, and no longer."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.states.rule[0].expiration[0].expired_object_delete_marker
    error_message = "Every lock leaves a delete marker."
  }
  assert {
    condition     = output.backend_hcl["staging"] == <<-HCL
      bucket              = "terraform-states-111122223333"
      key                 = "mlflow/staging/terraform.tfstate"
      region              = "us-east-1"
      encrypt             = true
      use_lockfile        = true
      allowed_account_ids = ["111122223333"]
    HCL
    error_message = "Got:\n${output.backend_hcl["staging"]}"
  }
}

run "a_given_key_encrypts_and_is_in_each_backend_hcl" {
  command = plan

  variables {
    kms_key_id = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    state_keys = { staging = "mlflow/staging/terraform.tfstate" }
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.states.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_id
    error_message = "The given key must encrypt."
  }
  assert {
    condition     = strcontains(output.backend_hcl["staging"], "kms_key_id          = \"${var.kms_key_id}\"\n")
    error_message = "A backend that names no key asks S3 for AES256."
  }
}

run "two_roots_with_one_state_are_refused" {
  command = plan

  variables {
    state_keys = { staging = "terraform.tfstate", prod = "terraform.tfstate" }
  }

  expect_failures = [var.state_keys]
}

run "a_key_that_ends_the_text_of_backend_hcl_is_refused" {
  command = plan

  variables {
    state_keys = { staging = "a\"\nbucket = \"b.tfstate" }
  }

  expect_failures = [var.state_keys]
}

run "names_and_keys_that_aws_rejects_or_the_policy_does_not_protect_are_refused" {
  command = plan

  variables {
    bucket_name            = "My_States"
    kms_key_id             = "alias/states"
    old_versions_kept_days = 0
    state_keys             = { staging = "mlflow/staging/state.json" }
  }

  expect_failures = [var.bucket_name, var.kms_key_id, var.old_versions_kept_days, var.state_keys]
}

run "the_role_of_the_session_that_applies_may_change_the_bucket" {
  command = plan

  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "111122223333", arn = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/ann" }
  }

  assert {
    condition = join(" ", local.administrator_arns) == join(" ", [
      "arn:aws:iam::111122223333:root",
      "arn:aws:iam::111122223333:role/AWSReservedSSO_Admin_0123456789abcdef",
      "arn:aws:iam::111122223333:role/*/AWSReservedSSO_Admin_0123456789abcdef",
    ])
    error_message = "Got ${join(" ", local.administrator_arns)}"
  }
}

run "the_user_that_applies_may_change_the_bucket" {
  command = plan

  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "111122223333", arn = "arn:aws:iam::111122223333:user/ann" }
  }

  assert {
    condition     = join(" ", local.administrator_arns) == "arn:aws:iam::111122223333:root arn:aws:iam::111122223333:user/ann"
    error_message = "Got ${join(" ", local.administrator_arns)}"
  }
}

run "administrators_that_include_the_caller_by_a_pattern_are_accepted" {
  command = plan

  variables {
    administrator_arns = ["arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Admin_*"]
  }

  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "111122223333", arn = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/ann" }
  }

  override_data {
    target = data.aws_iam_session_context.caller
    values = { issuer_arn = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef" }
  }

  assert {
    condition     = length(local.administrator_arns) == 2
    error_message = "Only the given administrators and the root user may change the bucket."
  }
}

run "administrators_without_the_caller_are_refused" {
  command = plan

  variables {
    administrator_arns = ["arn:aws:iam::111122223333:role/platform-admin"]
  }

  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "111122223333", arn = "arn:aws:iam::111122223333:user/ann" }
  }

  override_data {
    target = data.aws_iam_session_context.caller
    values = { issuer_arn = "arn:aws:iam::111122223333:user/ann" }
  }

  expect_failures = [aws_s3_bucket_policy.states]
}

run "administrators_that_resemble_the_caller_are_refused" {
  command = plan

  # Another path, another account, a user of the same name.
  variables {
    administrator_arns = [
      "arn:aws:iam::111122223333:role/admins/*",
      "arn:aws:iam::444455556666:role/platform-admin",
      "arn:aws:iam::111122223333:user/platform-admin",
    ]
  }

  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "111122223333", arn = "arn:aws:sts::111122223333:assumed-role/platform-admin/ann" }
  }

  override_data {
    target = data.aws_iam_session_context.caller
    values = { issuer_arn = "arn:aws:iam::111122223333:role/platform-admin" }
  }

  expect_failures = [aws_s3_bucket_policy.states]
}

run "an_administrator_whose_name_has_a_plus_is_accepted" {
  command = plan

  variables {
    administrator_arns = ["arn:aws:iam::111122223333:role/data+platform.admin"]
  }

  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "111122223333", arn = "arn:aws:sts::111122223333:assumed-role/data+platform.admin/ann" }
  }

  override_data {
    target = data.aws_iam_session_context.caller
    values = { issuer_arn = "arn:aws:iam::111122223333:role/data+platform.admin" }
  }

  assert {
    condition     = local.caller_is_administrator
    error_message = "In an ARN, a plus is a plus."
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

run "a_tag_that_aws_reserves_is_refused" {
  command = plan

  variables {
    tags = { "aws:team" = "ml" }
  }

  expect_failures = [var.tags]
}
