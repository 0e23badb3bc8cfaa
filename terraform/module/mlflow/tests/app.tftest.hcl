# An MLflow App instead of a tracking server.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
  backend            = "serverless"
}

run "cloudformation_creates_an_app_and_no_server_is_created" {
  command = apply

  variables {
    automatic_model_registration    = false
    weekly_maintenance_window_start = "Tue:03:30"
    notifications                   = {}
    create_dashboard                = true
    writer_role_names               = ["data-scientists"]
    verify_client_roles             = false
    kms                             = { create = true }
  }

  assert {
    condition     = length(aws_sagemaker_mlflow_tracking_server.this) == 0 && length(aws_cloudwatch_event_rule.server) == 0
    error_message = "An App replaces the server, and AWS documents no events of Apps."
  }
  assert {
    condition = jsondecode(aws_cloudformation_stack.app[0].template_body).Resources.App.Properties == {
      Name                         = "churn-dev-app"
      ArtifactStoreUri             = "s3://churn-dev-mlflow-artifacts-acme"
      RoleArn                      = "arn:aws:iam::111122223333:role/churn-dev-mlflow-role"
      ModelRegistrationMode        = "AutoModelRegistrationDisabled"
      WeeklyMaintenanceWindowStart = "Tue:03:30"
    }
    error_message = "The App must get the same bucket, role and settings as a server."
  }
  assert {
    condition     = jsondecode(aws_cloudformation_stack.app[0].template_body).Resources.App.DeletionPolicy == "RetainExceptOnCreate"
    error_message = "Deleting the stack must keep the App with its runs."
  }
  assert {
    condition     = contains(jsondecode(aws_cloudformation_stack.app[0].policy_body).Statement[1].Action, "Update:Replace")
    error_message = "No update of the stack may replace the App."
  }
  assert {
    condition     = output.mlflow_tracking_uri == "arn:aws:sagemaker:us-east-1:111122223333:mlflow-app/app-ABCDEFGHIJKL" && output.tracking_server_arn == output.mlflow_tracking_uri
    error_message = "The tracking URI must be the App's ARN."
  }
  assert {
    condition     = output.tracking_server_name == "churn-dev-app" && output.mlflow_version == "3.10.1" && output.tracking_server_url == null
    error_message = "The outputs must describe the App."
  }
  assert {
    condition     = output.tracking_server_arns["3.10.1"] == output.mlflow_tracking_uri
    error_message = "The ARNs by version must be those of the App."
  }
  assert {
    condition     = aws_ssm_parameter.output["mlflow_tracking_uri"].value == output.mlflow_tracking_uri && aws_ssm_parameter.output["mlflow_version"].value == "3.10.1"
    error_message = "Clients without access to the state must find the App."
  }
}

run "an_app_is_deleted_with_its_stack_if_the_environment_may_lose_its_data" {
  command = plan

  variables {
    dangerously_delete_artifacts_on_destroy = true
    create_role                             = false
    role_arn                                = "arn:aws:iam::111122223333:role/team/mlflow"
  }

  assert {
    condition     = jsondecode(aws_cloudformation_stack.app[0].template_body).Resources.App.DeletionPolicy == "Delete"
    error_message = "After dangerously_delete_artifacts_on_destroy, nothing must stay."
  }
  assert {
    condition     = jsondecode(aws_cloudformation_stack.app[0].template_body).Resources.App.Metadata.DeletionPolicy == "Delete"
    error_message = "CloudFormation updates a deletion policy only together with something else."
  }
  assert {
    condition     = jsondecode(aws_cloudformation_stack.app[0].template_body).Resources.App.Properties.RoleArn == "arn:aws:iam::111122223333:role/team/mlflow"
    error_message = "The App must use the given role."
  }
}
