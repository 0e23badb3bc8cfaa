# Existing resources: a bucket, a key by its id, a role, a topic.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "an_existing_bucket_key_role_and_topic_are_used_and_not_changed" {
  command = plan

  variables {
    create_s3_bucket   = false
    bucket_name_suffix = null
    artifact_store_uri = "s3://data-lake/mlflow/churn/"
    kms_key_id         = "11111111-2222-3333-4444-555555555555"
    create_role        = false
    role_arn           = "arn:aws:iam::111122223333:role/team/mlflow-server"
    notifications      = { topic_arn = "arn:aws:sns:us-east-1:111122223333:platform" }
    monthly_budget_usd = 500
    tags               = { project = "churn" }
    publish_parameters = false
    backup             = { repository = "./tests/mocks/repository" }
  }

  assert {
    condition = 0 == sum([
      length(aws_s3_bucket.artifacts),
      length(aws_s3_bucket_policy.artifacts),
      length(aws_s3_bucket_versioning.artifacts),
      length(aws_s3_bucket_public_access_block.artifacts),
      length(aws_s3_bucket_ownership_controls.artifacts),
      length(aws_s3_bucket_lifecycle_configuration.artifacts),
      length(aws_s3_bucket_server_side_encryption_configuration.artifacts),
    ])
    error_message = "The module must not manage an existing bucket."
  }
  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["3.0"].artifact_store_uri == "s3://data-lake/mlflow/churn"
    error_message = "The server must get the prefix without its trailing slash, or artifact paths contain an empty part."
  }
  assert {
    condition     = output.artifact_bucket_name == "data-lake"
    error_message = "The bucket's name must come from the URI."
  }
  assert {
    condition     = output.kms_key_arn == "arn:${data.aws_partition.current.partition}:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    error_message = "Policies need the key's ARN."
  }
  assert {
    condition     = aws_sagemaker_mlflow_tracking_server.this["3.0"].role_arn == "arn:aws:iam::111122223333:role/team/mlflow-server"
    error_message = "The server must use the given role."
  }
  assert {
    condition     = length(aws_iam_role.server) == 0 && length(aws_iam_role_policy.basic_access) == 0
    error_message = "The module must neither create a role nor change the given one."
  }
  assert {
    condition     = output.mlflow_role_name == "mlflow-server" && can(jsondecode(output.mlflow_role_policy).Statement)
    error_message = "The outputs must name the role and the policy that it needs."
  }
  assert {
    condition     = length(aws_sns_topic.events) + length(aws_sns_topic_policy.events) + length(aws_kms_key.events) == 0
    error_message = "The module must not manage an existing topic."
  }
  assert {
    condition     = aws_cloudwatch_event_target.server[0].arn == "arn:aws:sns:us-east-1:111122223333:platform" && output.notification_topic_arn == "arn:aws:sns:us-east-1:111122223333:platform"
    error_message = "Events must go to the given topic."
  }
  assert {
    condition     = alltrue([for notification in aws_budgets_budget.monthly[0].notification : notification.subscriber_sns_topic_arns == toset(["arn:aws:sns:us-east-1:111122223333:platform"])])
    error_message = "The budget must notify the given topic."
  }
  assert {
    condition     = output.backup_archive_uri == "s3://data-lake/mlflow/churn/backups/churn-dev-3-0" && aws_s3_object.backup_tool[0].key == "mlflow/churn/backups/tool/tool.json.gz" && aws_codebuild_project.backup[0].source[0].location == "data-lake/mlflow/churn/backups/tool/"
    error_message = "In an existing bucket, the backup must stay below the given prefix."
  }
  assert {
    condition     = length(aws_ssm_parameter.output) == 0 && output.parameter_path == null
    error_message = "publish_parameters = false must publish nothing."
  }
}

run "an_adopted_role_keeps_its_path" {
  command = plan

  variables {
    role_name_override = "service-role/by-hand"
    iam_path           = "/ml/"
  }

  assert {
    condition     = aws_iam_role.server[0].path == "/service-role/" && aws_iam_role.server[0].name == "by-hand"
    error_message = "Another path would replace the role, and with it the server."
  }
}

run "an_adopted_role_without_a_path_keeps_having_none" {
  command = plan

  variables {
    role_name_override = "by-hand"
    iam_path           = "/ml/"
  }

  assert {
    condition     = aws_iam_role.server[0].path == "/" && aws_iam_role.server[0].name == "by-hand"
    error_message = "iam_path is the path of new roles only."
  }
}
