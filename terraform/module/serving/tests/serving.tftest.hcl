# The repository and the limits of the role's name. tests/terraform checks the role's policy on real plans.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  artifact_store_uri = "s3://churn-dev-mlflow-artifacts-acme"
}

run "images_are_scanned_and_encrypted_tags_are_immutable_and_only_untagged_images_expire" {
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
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.serving.policy).rules : rule.selection.tagStatus] == ["untagged"]
    error_message = "An endpoint may still run an image that has a tag."
  }
}

run "a_role_name_of_65_characters_is_refused" {
  command = plan
  variables {
    project_name = "churn-7890-234567890-234567890-234567890-2345678"
  }
  expect_failures = [aws_iam_role.endpoint]
}

run "a_store_that_is_not_s3_and_a_key_named_by_alias_are_refused" {
  command = plan

  variables {
    artifact_store_uri = "churn-dev-mlflow-artifacts-acme"
    kms_key_arn        = "alias/data-lake"
  }

  expect_failures = [var.artifact_store_uri, var.kms_key_arn]
}
