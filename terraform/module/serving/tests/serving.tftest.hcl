# The repository and the limits of the role's name. tests/terraform checks the role's policy on real plans.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  artifact_store_uri = "s3://churn-dev-mlflow-artifacts-acme"
}

run "images_are_scanned_and_encrypted_tags_are_immutable_and_old_images_expire" {
  command = plan

  assert {
    condition     = aws_ecr_repository.serving.image_tag_mutability == "IMMUTABLE"
    error_message = "An endpoint that scales out must pull the image that was tested."
  }
  assert {
    condition     = aws_ecr_repository.serving.image_scanning_configuration[0].scan_on_push
    error_message = "Images must be scanned when they are pushed."
  }
  assert {
    condition     = aws_ecr_repository.serving.encryption_configuration[0].encryption_type == "AES256"
    error_message = "Images must be encrypted, and not with a key whose change replaces the repository."
  }
  assert {
    condition     = !aws_ecr_repository.serving.force_delete
    error_message = "A destroy must not delete images by default."
  }
  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.serving.policy).rules : "${rule.selection.tagStatus} ${rule.selection.countType} ${rule.selection.countNumber}"] == ["untagged sinceImagePushed 14", "tagged imageCountMoreThan 200"]
    error_message = "An endpoint may still run an image that has a tag, so only a number of newer ones makes it old."
  }
  assert {
    condition     = aws_codebuild_project.image[0].environment[0].privileged_mode && length(aws_codebuild_project.image[0].vpc_config) == 0 && !contains([for variable in aws_codebuild_project.image[0].environment[0].environment_variable : variable.name], "PIP_INDEX_URL")
    error_message = "The build runs Docker, which needs a privileged container, and installs from PyPI by default."
  }
  assert {
    condition     = length(aws_iam_role.image_pusher) == 0 && aws_iam_policy.image_pusher.name == "churn-dev-image-pusher"
    error_message = "Without principals there is only the policy, for roles that exist."
  }
}

run "builds_run_in_a_vpc_with_a_package_index_and_a_role_pushes_images" {
  command = plan

  variables {
    image_build = {
      package_index_url = "https://packages.example.com/simple"
      vpc = {
        vpc_id             = "vpc-0123456789abcdef0"
        subnet_ids         = ["subnet-0123456789abcdef0"]
        security_group_ids = ["sg-0123456789abcdef0"]
      }
    }
    image_pusher_principal_arns = ["arn:aws:iam::123456789012:role/ci"]
    keep_images                 = null
  }

  assert {
    condition     = aws_codebuild_project.image[0].vpc_config[0].vpc_id == "vpc-0123456789abcdef0" && one([for variable in aws_codebuild_project.image[0].environment[0].environment_variable : variable.value if variable.name == "PIP_INDEX_URL"]) == "https://packages.example.com/simple"
    error_message = "The build must use the given network and package index."
  }
  assert {
    condition     = aws_iam_role.image_pusher[0].name == "churn-dev-image-pusher"
    error_message = "The given principals must have a role to assume."
  }
  assert {
    condition     = length(jsondecode(aws_ecr_lifecycle_policy.serving.policy).rules) == 1
    error_message = "keep_images = null must keep every image with a tag."
  }
}

run "a_trust_policy_above_the_default_quota_gets_a_warning" {
  command = plan

  variables {
    image_pusher_principal_arns = [for number in range(60) : "arn:aws:iam::111122223333:user/pusher-${number}"]
  }

  expect_failures = [check.length_of_the_pushers_trust_policy]
}

run "without_image_build_there_is_no_project_and_no_role_for_it" {
  command = plan

  variables {
    image_build = null
  }

  assert {
    condition     = length(aws_codebuild_project.image) + length(aws_iam_role.image_builder) + length(aws_cloudwatch_log_group.image_build) == 0 && output.image_build_project_name == null
    error_message = "image_build = null must create nothing for builds."
  }
}

run "unusable_settings_of_image_builds_are_refused" {
  command = plan

  variables {
    image_build                 = { package_index_url = "https://me:secret@packages.example.com", compute_type = "LARGE", timeout_minutes = 1 }
    image_pusher_principal_arns = ["ci"]
    keep_images                 = 0
    async_topic_arns            = ["results"]
    endpoint_vpc                = { subnet_ids = ["subnet-0123456789abcdef0"], security_group_ids = ["sg-0123456789abcdef0"] }
  }

  expect_failures = [var.async_topic_arns, var.endpoint_vpc, var.image_build, var.image_pusher_principal_arns, var.keep_images]
}

run "a_role_name_of_65_characters_is_refused" {
  command = plan
  variables {
    project_name = "churn-7890-234567890-234567890-234567890-2345678"
  }
  expect_failures = [aws_iam_role.endpoint, aws_iam_role.image_builder]
}

run "a_store_that_is_not_s3_and_a_key_named_by_alias_are_refused" {
  command = plan

  variables {
    artifact_store_uri = "churn-dev-mlflow-artifacts-acme"
    kms_key_arn        = "alias/data-lake"
  }

  expect_failures = [var.artifact_store_uri, var.kms_key_arn]
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

run "other_accounts_read_the_packages_of_the_named_models_only" {
  command = plan

  variables {
    model_package_readers = { iris = ["444455556666", "111111111111"], "Fraud-2" = ["444455556666"] }
  }

  assert {
    condition     = { for model, group in aws_sagemaker_model_package_group.shared : model => group.model_package_group_name } == { iris = "churn-dev-iris", "Fraud-2" = "churn-dev-Fraud-2" }
    error_message = "promote.py pushes to PROJECT-ENVIRONMENT-MODEL."
  }
  assert {
    condition     = aws_sagemaker_model_package_group.shared["iris"].tags == tomap({ project = "churn", environment = "dev" })
    error_message = "promote.py refuses a group without the environment's tags."
  }
  assert {
    condition     = keys(aws_sagemaker_model_package_group_policy.readers) == ["Fraud-2", "iris"]
    error_message = "Each group must have its own policy."
  }
}

run "no_model_is_shared_by_default" {
  command = plan

  assert {
    condition     = length(aws_sagemaker_model_package_group.shared) == 0 && length(aws_sagemaker_model_package_group_policy.readers) == 0
    error_message = "Only named models have a group that Terraform makes."
  }
}

run "an_account_needs_twelve_digits" {
  command = plan

  variables {
    model_package_readers = { iris = ["4444-5555-6666"] }
  }

  expect_failures = [var.model_package_readers]
}

run "a_shared_model_needs_readers" {
  command = plan

  variables {
    model_package_readers = { iris = [] }
  }

  expect_failures = [var.model_package_readers]
}

run "a_shared_model_needs_a_name_that_sagemaker_accepts" {
  command = plan

  variables {
    model_package_readers = { my_model = ["444455556666"] }
  }

  expect_failures = [var.model_package_readers]
}

run "the_groups_name_must_fit" {
  command = plan

  variables {
    model_package_readers = { "a-model-with-a-name-that-is-much-longer-than-any-team-would-write" = ["444455556666"] }
  }

  expect_failures = [aws_sagemaker_model_package_group.shared]
}

run "the_own_account_is_no_reader" {
  command = plan

  variables {
    model_package_readers = { iris = ["111122223333"] }
  }

  expect_failures = [aws_sagemaker_model_package_group.shared]
}
