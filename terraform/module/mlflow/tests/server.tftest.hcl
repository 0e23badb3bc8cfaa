# The arguments and outputs of the tracking server, and the attachment of policies. Other tests check policies on real plans.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "outputs_describe_the_active_version_and_roles_get_their_policies" {
  variables {
    mlflow_version                  = "2.16"
    weekly_maintenance_window_start = "Sun:23:59"
    additional_role_policies        = { lineage = "arn:aws:iam::111122223333:policy/lineage" }
    permissions_boundary_arn        = "arn:aws:iam::111122223333:policy/boundary"
    verify_client_roles             = false
    reader_role_names               = ["analysts"]
    writer_role_names               = ["data-scientists", "training"]
    admin_role_names                = ["mlops"]
    deployment_policy_document      = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
  }

  assert {
    condition     = output.mlflow_version == "2.16" && output.tracking_server_name == "churn-dev-2-16"
    error_message = "Outputs must describe the server of mlflow_version."
  }
  assert {
    condition     = output.mlflow_tracking_uri == "arn:aws:sagemaker:us-east-1:111122223333:mlflow-tracking-server/churn-dev-2-16"
    error_message = "The tracking URI must be the ARN, not the address."
  }
  assert {
    condition     = output.artifact_store_uri == "s3://churn-dev-mlflow-artifacts-acme" && output.artifact_bucket_name == "churn-dev-mlflow-artifacts-acme"
    error_message = "The bucket's name must consist of project, environment, mlflow-artifacts and suffix."
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
    condition     = length(aws_iam_role_policy_attachment.artifacts) == 4 && toset(keys(aws_iam_role_policy_attachment.deployment)) == toset(["data-scientists", "mlops", "training"])
    error_message = "Each role must get its artifact policy, and writers and admins the deployment policy."
  }
  assert {
    condition     = join(" ", output.client_policy_names.reader) == "churn-dev-mlflow-reader churn-dev-mlflow-reader-artifacts" && join(" ", output.client_policy_names.writer) == "churn-dev-mlflow-writer churn-dev-mlflow-writer-artifacts churn-dev-mlflow-deployment"
    error_message = "The outputs must name every policy of a level."
  }
  assert {
    condition     = alltrue([for level in ["reader", "writer", "admin"] : output.client_policy_arns[level][0] == aws_iam_policy.client[level].arn]) && output.admin_policy_arn == output.client_policy_arns.admin[0]
    error_message = "The tracking policy must be the first of each level."
  }
}

run "a_deployment_policy_that_is_too_long_for_iam_is_refused" {
  command = plan

  variables {
    deployment_policy_document = jsonencode({
      Version   = "2012-10-17"
      Statement = [for number in range(60) : { Effect = "Allow", Action = "sagemaker:InvokeEndpoint", Resource = "arn:aws:sagemaker:us-east-1:111122223333:endpoint/churn-${number}" }]
    })
  }

  expect_failures = [aws_iam_policy.deployment[0]]
}
