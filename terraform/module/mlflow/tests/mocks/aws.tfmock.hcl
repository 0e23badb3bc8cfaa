mock_data "aws_caller_identity" {
  defaults = {
    account_id = "111122223333"
    arn        = "arn:aws:sts::111122223333:assumed-role/terraform/session"
  }
}

mock_data "aws_iam_policy_document" {
  defaults = { minified_json = "{}", json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
}

mock_resource "aws_sagemaker_mlflow_tracking_server" {
  defaults = {
    arn                 = "arn:aws:sagemaker:us-east-1:111122223333:mlflow-tracking-server/churn-dev-2-16"
    tracking_server_url = "https://t-abc.us-east-1.experiments.sagemaker.aws"
  }
}

mock_resource "aws_cloudformation_stack" {
  defaults = {
    outputs = {
      TrackingUri   = "arn:aws:sagemaker:us-east-1:111122223333:mlflow-app/app-ABCDEFGHIJKL"
      MlflowVersion = "3.10.1"
    }
  }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::111122223333:role/churn-dev-mlflow-role" }
}

mock_resource "aws_kms_key" {
  defaults = { arn = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555" }
}

mock_resource "aws_iam_policy" {
  defaults = { arn = "arn:aws:iam::111122223333:policy/churn-dev-mlflow" }
}

mock_data "aws_kms_alias" {
  defaults = { target_key_arn = "arn:aws:kms:us-east-1:111122223333:key/99999999-2222-3333-4444-555555555555" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:us-east-1:111122223333:churn-dev-mlflow-events" }
}

mock_resource "aws_sfn_state_machine" {
  defaults = { arn = "arn:aws:states:us-east-1:111122223333:stateMachine:churn-dev-mlflow-start-stop" }
}

mock_resource "aws_sqs_queue" {
  defaults = { arn = "arn:aws:sqs:us-east-1:111122223333:churn-dev-mlflow-schedule-failures" }
}

mock_data "aws_region" {
  defaults = { endpoint = "ec2.us-east-1.amazonaws.com" }
}
