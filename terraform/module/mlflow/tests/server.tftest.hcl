# What the tracking server is given, what its outputs say of it, and who gets which policy for it. What the policies say
# is asserted on real plans elsewhere. A window in the last minute of the week is accepted.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "outputs_follow_the_active_version_the_boundary_reaches_the_role_and_each_role_gets_the_policy_it_is_named_for" {
  variables {
    mlflow_version                  = "2.16"
    weekly_maintenance_window_start = "Sun:23:59"
    additional_role_policies        = { lineage = "arn:aws:iam::111122223333:policy/lineage" }
    permissions_boundary_arn        = "arn:aws:iam::111122223333:policy/boundary"
    verify_client_roles             = false
    reader_role_names               = ["analysts"]
    writer_role_names               = ["data-scientists", "training"]
    admin_role_names                = ["mlops"]
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
  assert {
    condition = jsonencode({ for key, attachment in aws_iam_role_policy_attachment.client : attachment.role => aws_iam_policy.client[split("/", key)[0]].name }) == jsonencode({
      analysts        = "churn-dev-mlflow-reader"
      data-scientists = "churn-dev-mlflow-writer"
      mlops           = "churn-dev-mlflow-admin"
      training        = "churn-dev-mlflow-writer"
    })
    error_message = "Each role must get its own policy and no other."
  }
  assert {
    condition     = alltrue([for key, attachment in aws_iam_role_policy_attachment.client : attachment.policy_arn == output.client_policy_arns[split("/", key)[0]]])
    error_message = "The policy that is attached must be the one of the outputs."
  }
  assert {
    condition     = output.client_policy_arns == { reader = output.reader_policy_arn, writer = output.writer_policy_arn, admin = output.admin_policy_arn }
    error_message = "The map must hold the same three policies."
  }
}
