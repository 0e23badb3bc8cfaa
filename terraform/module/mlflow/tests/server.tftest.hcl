# What the tracking server is given, and what its outputs say of it. A window in the last minute of the week is accepted.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "outputs_follow_the_active_version_and_additional_policies_and_the_boundary_reach_the_role" {
  variables {
    mlflow_version                  = "2.16"
    weekly_maintenance_window_start = "Sun:23:59"
    additional_role_policies        = { lineage = "arn:aws:iam::111122223333:policy/lineage" }
    permissions_boundary_arn        = "arn:aws:iam::111122223333:policy/boundary"
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
  assert {
    condition     = aws_iam_role_policy_attachment.additional["lineage"].role == "churn-dev-mlflow-role"
    error_message = "The policy must be attached to the server's role."
  }
  assert {
    condition     = aws_iam_role.server[0].permissions_boundary == "arn:aws:iam::111122223333:policy/boundary"
    error_message = "The boundary must bound the server's role."
  }
}
