# What the tracking server is given, whatever the bucket. Plans only, on a mocked AWS: policies are asserted on real
# plans elsewhere, since a mocked policy document holds no policy.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "a_server_is_small_registers_models_and_is_named_after_its_version" {
  command = plan

  assert {
    condition     = join(" ", keys(aws_sagemaker_mlflow_tracking_server.this)) == "3.0"
    error_message = "There must be exactly one server, of version 3.0."
  }
  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["3.0"].tracking_server_name == "churn-dev-3-0"
    error_message = "The name must end in the version, or two versions could not stand side by side."
  }
  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["3.0"].tracking_server_size == "Small"
    error_message = "The default must be the cheapest size."
  }
  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["3.0"].automatic_model_registration
    error_message = "Registration must be on by default: the provider cannot turn it off again."
  }
}

run "every_version_that_aws_offers_is_accepted" {
  command = plan

  variables {
    mlflow_version = "2.13"
  }

  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["2.13"].tracking_server_name == "churn-dev-2-13"
    error_message = "A version with two digits after the dot must keep both in the name."
  }
}

run "outputs_follow_the_active_version" {
  variables {
    mlflow_version = "2.16"
  }

  assert {
    condition     = output.mlflow_version == "2.16" && output.tracking_server_name == "churn-dev-2-16"
    error_message = "Outputs must describe the server of mlflow_version."
  }
  assert {
    condition     = output.mlflow_tracking_uri == "arn:aws:sagemaker:us-east-1:111122223333:mlflow-tracking-server/churn-dev-2-16"
    error_message = "An MLflow client must be given the ARN, not the address."
  }
  assert {
    condition     = output.artifact_store_uri == "s3://churn-dev-mlflow-artifacts-acme" && output.artifact_bucket_name == "churn-dev-mlflow-artifacts-acme"
    error_message = "The bucket's name must be project, environment, mlflow-artifacts and suffix."
  }
  assert {
    condition     = output.kms_key_arn == null
    error_message = "Without a key the output must be null, not an error."
  }
}

run "additional_policies_and_the_boundary_reach_the_role" {
  command = plan

  variables {
    additional_role_policies = { lineage = "arn:aws:iam::111122223333:policy/lineage" }
    permissions_boundary_arn = "arn:aws:iam::111122223333:policy/boundary"
  }

  assert {
    condition     = aws_iam_role_policy_attachment.additional["lineage"].role == "churn-dev-mlflow-role"
    error_message = "The policy must be attached to the server's role."
  }
  assert {
    condition     = aws_iam_role.server[0].permissions_boundary == "arn:aws:iam::111122223333:policy/boundary"
    error_message = "The boundary must bound the server's role."
  }
}

run "an_existing_role_is_used_and_left_alone" {
  command = plan

  variables {
    create_role = false
    role_arn    = "arn:aws:iam::111122223333:role/team/mlflow-server"
  }

  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["3.0"].role_arn == "arn:aws:iam::111122223333:role/team/mlflow-server"
    error_message = "The server must work under the given role."
  }
  assert {
    condition     = length(aws_iam_role.server) == 0 && length(aws_iam_role_policy.basic_access) == 0
    error_message = "The module must neither make a role nor change the given one."
  }
  assert {
    condition     = output.mlflow_role_name == "mlflow-server" && can(jsondecode(output.mlflow_role_policy).Statement)
    error_message = "The role's owner must be told its name and what it needs."
  }
}
