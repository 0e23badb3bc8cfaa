output "project_name" {
  description = "Name of the project."
  value       = module.mlflow.project_name
}

output "environment" {
  description = "Name of the environment."
  value       = module.mlflow.environment
}

output "aws_account_id" {
  description = "AWS account that the environment lives in."
  value       = module.mlflow.aws_account_id
}

output "aws_region" {
  description = "AWS region that the environment lives in."
  value       = module.mlflow.aws_region
}

output "mlflow_tracking_uri" {
  description = "What an MLflow client must be given: the server's ARN."
  value       = module.mlflow.mlflow_tracking_uri
}

output "tracking_server_url" {
  description = "Address of the server's UI."
  value       = module.mlflow.tracking_server_url
}

output "tracking_server_name" {
  description = "Name of the tracking server."
  value       = module.mlflow.tracking_server_name
}

output "tracking_server_arn" {
  description = "ARN of the tracking server, for policies."
  value       = module.mlflow.tracking_server_arn
}

output "mlflow_version" {
  description = "MLflow version of the server, as major.minor."
  value       = module.mlflow.mlflow_version
}

output "tracking_server_arns" {
  description = "ARNs of all tracking servers, the retained ones too, by MLflow version."
  value       = module.mlflow.tracking_server_arns
}

output "mlflow_role_name" {
  description = "Name of the server's role, whose inline policy is MLflowBasicAccess."
  value       = module.mlflow.mlflow_role_name
}

output "mlflow_role_arn" {
  description = "ARN of the server's role."
  value       = module.mlflow.mlflow_role_arn
}

output "artifact_store_uri" {
  description = "Where artifacts are stored."
  value       = module.mlflow.artifact_store_uri
}

output "artifact_bucket_name" {
  description = "Bucket that artifacts are stored in."
  value       = module.mlflow.artifact_bucket_name
}

output "kms_key_arn" {
  description = "Key that encrypts the artifacts; null, and absent from `terraform output`, where S3's own does."
  value       = module.mlflow.kms_key_arn
}

output "reader_policy_arn" {
  description = "Policy for those who see runs, models and artifacts."
  value       = module.mlflow.reader_policy_arn
}

output "writer_policy_arn" {
  description = "Policy for those who log runs, register and deploy models."
  value       = module.mlflow.writer_policy_arn
}

output "admin_policy_arn" {
  description = "Policy for those who also delete, recover, start and stop."
  value       = module.mlflow.admin_policy_arn
}

output "client_policy_arns" {
  description = "The same three by reader, writer and admin."
  value       = module.mlflow.client_policy_arns
}

output "endpoint_execution_role_arn" {
  description = "Role that endpoints run under."
  value       = module.serving.endpoint_execution_role_arn
}

output "serving_repository_url" {
  description = "Repository of serving images, without a tag."
  value       = module.serving.serving_repository_url
}

output "backup_archive_uri" {
  description = "Where the active server's backups lie."
  value       = module.mlflow.backup_archive_uri
}

output "parameter_path" {
  description = "Where these outputs are published in SSM Parameter Store, for whoever may not read Terraform's state."
  value       = module.mlflow.parameter_path
}

output "notification_topic_arn" {
  description = "Topic that hears of the server's states, of a schedule that failed and of the budget."
  value       = module.mlflow.notification_topic_arn
}

output "schedule_failure_queue_url" {
  description = "Queue of the calls that the schedule could not make; null without a schedule."
  value       = module.mlflow.schedule_failure_queue_url
}
