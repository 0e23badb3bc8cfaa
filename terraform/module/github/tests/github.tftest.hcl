# Names, subjects and refused inputs. tests/policy checks the policies on real plans.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  repository        = "acme/ml-platform"
  project_name      = "churn"
  state_bucket_name = "terraform-states-111122223333"
  environments      = { dev = {}, prod = {} }
}

run "each_environment_has_three_roles" {
  command = plan

  assert {
    condition = toset([for role in aws_iam_role.ci : role.name]) == toset([
      "churn-dev-ci-plan", "churn-dev-ci-apply", "churn-dev-ci-train", "churn-prod-ci-plan", "churn-prod-ci-apply", "churn-prod-ci-train",
    ])
    error_message = "Plan, apply and train."
  }
  assert {
    condition     = aws_iam_role_policy_attachment.ci["dev/plan/read"].role == "churn-dev-ci-plan" && length([for key in keys(aws_iam_role_policy_attachment.ci) : key if startswith(key, "dev/plan/")]) == 1
    error_message = "The plan role only reads."
  }
}

run "the_workflows_get_the_path_and_the_prefix_of_the_roles" {
  command = plan

  variables {
    iam_path           = "/ml/"
    global_name_prefix = "euw1-"
  }

  assert {
    condition     = output.role_prefix == "ml/euw1-" && aws_iam_role.ci["dev/plan"].path == "/ml/" && aws_iam_role.ci["dev/plan"].name == "euw1-churn-dev-ci-plan"
    error_message = "The role's ARN ends in role/ml/euw1-churn-dev-ci-plan."
  }
}

run "an_existing_provider_is_used" {
  command = plan

  variables {
    create_oidc_provider = false
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && output.oidc_provider_arn == "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    error_message = "An account has one provider for GitHub."
  }
}

run "immutable_subjects_are_allowed" {
  command = plan

  variables {
    repository = "acme@123456/ml-platform@456789"
  }
}

run "a_pattern_is_no_repository" {
  command = plan

  variables {
    repository = "acme/*"
  }

  expect_failures = [var.repository]
}

run "one_id_alone_is_no_immutable_subject" {
  command = plan

  variables {
    repository = "acme@123456/ml-platform"
  }

  expect_failures = [var.repository]
}

run "a_pattern_is_no_branch" {
  command = plan

  variables {
    branch = "release/*"
  }

  expect_failures = [var.branch]
}

run "a_name_that_iam_does_not_allow_is_refused" {
  command = plan

  variables {
    environments = { "an-environment-with-a-name-that-is-longer-than-iam-allows" = {} }
  }

  expect_failures = [aws_iam_role.ci]
}

run "the_name_of_an_environment_does_not_begin_with_anothers" {
  command = plan

  variables {
    environments = { dev = {}, "dev-eu" = {} }
  }

  expect_failures = [var.environments]
}

run "names_that_only_share_their_beginning_are_allowed" {
  command = plan

  variables {
    environments = { dev = {}, "dev2-eu" = {}, "eu-dev" = {} }
  }
}

run "the_bucket_of_the_states_holds_nothing_else" {
  command = plan

  variables {
    environments = { dev = { copy_bucket_names = ["terraform-states-111122223333"] } }
  }

  expect_failures = [var.environments]
}

run "a_pattern_is_no_key_of_a_state" {
  command = plan

  variables {
    environments = { dev = { state_key = "mlflow/???/terraform.tfstate" } }
  }

  expect_failures = [var.environments]
}

run "two_environments_with_one_state_are_refused" {
  command = plan

  variables {
    environments = { dev = {}, test = { state_key = "mlflow/dev/terraform.tfstate" } }
  }

  expect_failures = [var.environments]
}

run "a_pattern_is_no_source" {
  command = plan

  variables {
    environments = { dev = { delivery_source_arns = ["arn:aws:codecommit:us-east-1:111122223333:*"] } }
  }

  expect_failures = [var.environments]
}

run "an_organizations_boundary_takes_the_place_of_the_modules" {
  command = plan

  variables {
    permissions_boundary_arn = "arn:aws:iam::111122223333:policy/acme"
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.ci : role.permissions_boundary == "arn:aws:iam::111122223333:policy/acme"]) && output.client_boundary_arns["dev"] == "arn:aws:iam::111122223333:policy/acme"
    error_message = "All roles have the organization's boundary."
  }
}

run "the_train_role_has_the_boundary_of_clients" {
  command = plan

  assert {
    condition     = aws_iam_role.ci["dev/train"].permissions_boundary == "arn:aws:iam::111122223333:policy/churn-dev-ci-client-boundary"
    error_message = "Otherwise the apply role could give it any right."
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
