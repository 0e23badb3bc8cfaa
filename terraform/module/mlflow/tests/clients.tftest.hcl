# Who gets which policy. What the policies say is asserted on real plans elsewhere.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "each_role_gets_the_policy_that_it_is_named_for" {
  variables {
    reader_role_names = ["analysts"]
    writer_role_names = ["data-scientists", "training"]
    admin_role_names  = ["mlops"]
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
