# Several servers, as during an upgrade.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name             = "churn"
  environment              = "dev"
  bucket_name_suffix       = "acme"
  mlflow_version           = "2.13"
  retained_mlflow_versions = ["3.0"]
}

run "a_retained_version_adds_a_server_and_outputs_describe_the_active_one" {
  assert {
    condition     = join(" ", keys(aws_sagemaker_mlflow_tracking_server.this)) == "2.13 3.0"
    error_message = "There must be a server for the active version and for each retained version."
  }
  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["2.13"].tracking_server_name == "churn-dev-2-13"
    error_message = "The name must contain both digits of the minor version."
  }
  assert {
    condition     = output.tracking_server_name == "churn-dev-2-13" && output.mlflow_version == "2.13"
    error_message = "Outputs must describe the active version while there is another server."
  }
  assert {
    condition     = join(" ", keys(output.tracking_server_arns)) == "2.13 3.0" && output.tracking_server_arns["2.13"] == output.tracking_server_arn
    error_message = "Every server's ARN must be in the outputs, by its version."
  }
}

run "swapping_the_versions_switches_the_outputs_and_keeps_both_servers" {
  command = plan

  variables {
    mlflow_version           = "3.0"
    retained_mlflow_versions = ["2.13"]
  }

  assert {
    condition     = output.tracking_server_name == "churn-dev-3-0" && length(output.tracking_server_arns) == 2
    error_message = "Swapping the two versions must switch the outputs and delete nothing."
  }
}
