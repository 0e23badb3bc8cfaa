# Several servers side by side: what an upgrade adds, switches and takes away. On a mocked AWS.
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

run "a_retained_server_stands_beside_the_active_one_that_outputs_follow" {
  assert {
    condition     = join(" ", keys(aws_sagemaker_mlflow_tracking_server.this)) == "2.13 3.0"
    error_message = "There must be a server for the active version and each retained one."
  }
  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["2.13"].tracking_server_name == "churn-dev-2-13"
    error_message = "A version with two digits after the dot must keep both in the name."
  }
  assert {
    condition     = output.tracking_server_name == "churn-dev-2-13" && output.mlflow_version == "2.13"
    error_message = "Outputs must describe the active version while another server is beside it."
  }
  assert {
    condition     = join(" ", keys(output.tracking_server_arns)) == "2.13 3.0" && output.tracking_server_arns["2.13"] == output.tracking_server_arn
    error_message = "Every server's ARN must be known by its version."
  }
}

run "the_outputs_switch_and_both_servers_stay" {
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
