# Every output but tracking_server_arns describes the active version, `mlflow_version`. Outputs of resources that do not exist are null.

output "project_name" {
  description = "Name of the project, as given."
  value       = var.project_name
}

output "environment" {
  description = "Name of the environment, as given."
  value       = var.environment
}

output "aws_account_id" {
  description = "AWS account of the environment."
  value       = local.account_id
}

output "aws_region" {
  description = "AWS region of the environment."
  value       = local.region
}

output "mlflow_tracking_uri" {
  description = "Tracking URI for MLflow clients: the ARN of the server or the App. The sagemaker-mlflow plugin derives the host from it and signs each request. With the https address alone, a client cannot authenticate."
  value       = local.active_server.arn
}

output "tracking_server_url" {
  description = "Address of the server's UI, for information; null for an App. Open the UI with a presigned link."
  value       = local.active_server.url
}

output "tracking_server_name" {
  description = "Name of the tracking server, which ends in its MLflow version, or of the App."
  value       = local.active_server.name
}

output "tracking_server_arn" {
  description = "ARN of the tracking server or the App, for policies."
  value       = local.active_server.arn
}

output "mlflow_version" {
  description = "MLflow version of the tracking server, as major.minor, or of the App, as AWS chose it."
  value       = local.active_server.mlflow_version
}

output "tracking_server_arns" {
  description = "ARNs of all tracking servers, active and retained, or of the App, by MLflow version."
  value       = local.is_serverless ? { (local.app_mlflow_version) = local.app_arn } : { for version, server in aws_sagemaker_mlflow_tracking_server.this : version => server.arn }
}

output "mlflow_role_name" {
  description = "Name of the server's role. If the module created it, its inline policy is `MLflowBasicAccess`."
  value       = local.role_name
}

output "mlflow_role_arn" {
  description = "ARN of the server's role, new or existing."
  value       = local.role_arn
}

output "mlflow_role_policy" {
  description = "Policy that the server's role needs, as JSON, for the owner of an existing role."
  value       = data.aws_iam_policy_document.basic_access.json
}

output "reader_policy_arn" {
  description = "ARN of the readers' tracking policy. Attach all policies of `client_policy_arns`: this one grants no artifacts."
  value       = aws_iam_policy.client["reader"].arn
}

output "writer_policy_arn" {
  description = "ARN of the writers' tracking policy. Attach all policies of `client_policy_arns`: this one grants no artifacts and no deployment."
  value       = aws_iam_policy.client["writer"].arn
}

output "admin_policy_arn" {
  description = "ARN of the admins' tracking policy. Attach all policies of `client_policy_arns`: this one grants no artifacts and no deployment."
  value       = aws_iam_policy.client["admin"].arn
}

output "client_policy_arns" {
  description = "The ARNs of all policies that a role needs, by level: `reader`, `writer` and `admin`."
  value       = { for level, policies in local.client_policies : level => policies[*].arn }
}

output "client_policy_names" {
  description = "The names of the same policies by level, for permission sets of IAM Identity Center, which refer to customer managed policies by name."
  value       = { for level, policies in local.client_policies : level => policies[*].name }
}

output "client_policy_documents" {
  description = "The statements of all policies of a level as one JSON document, by level, for an inline policy of a permission set or role."
  value       = { for level, document in data.aws_iam_policy_document.client : level => document.minified_json }
}

output "deletion_protection_policy" {
  description = "What the policy of `deletion_protected_from_role_names` denies, as JSON, for an inline policy of a permission set or role. It is also there if no role is named."
  value       = data.aws_iam_policy_document.deletion_protection.minified_json
}

output "artifact_store_uri" {
  description = "Where artifacts are stored, as `s3://bucket` or `s3://bucket/prefix`."
  value       = local.artifact_store_uri

  # A user of this output needs the bucket to exist.
  depends_on = [aws_s3_bucket.artifacts]
}

output "former_artifact_store_uris" {
  description = "Artifact stores of older runs, as given. Scripts read artifacts there, too."
  value       = [for uri in var.former_artifact_store_uris : trimsuffix(uri, "/")]
}

output "artifact_bucket_name" {
  description = "Name of the bucket that artifacts are stored in, new or existing."
  value       = local.artifact_bucket_name

  # A user of this output needs the bucket to exist.
  depends_on = [aws_s3_bucket.artifacts]
}

output "kms_key_arn" {
  description = "ARN of the key that encrypts the artifacts, new or existing. Null with SSE-S3."
  value       = local.kms_key_arn
}

output "former_kms_key_arns" {
  description = "Keys of older artifacts, as given, for the serving module's input of the same name."
  value       = var.kms.former_key_arns
}

output "backup_archive_uri" {
  description = "Archive of the active server's backups, which the nightly job and `make backup` write."
  value       = local.backup_archive_uri
}

output "backup_project_name" {
  description = "Name of the CodeBuild project that makes the nightly backups; null without them."
  value       = one(aws_codebuild_project.backup[*].name)
}

output "backup_failure_queue_url" {
  description = "Queue of the backups that could not be started, each with the reason; null without a backup."
  value       = one(aws_sqs_queue.backup_failures[*].url)
}

output "data_events_bucket_policy" {
  description = "What the owner of the bucket of `data_events` must allow in its bucket policy, as JSON; null without data events."
  value       = one(data.aws_iam_policy_document.data_events_bucket[*].json)
}

output "backup_destination_policy" {
  description = "What the owner of the bucket of `backup.destination_uri` must allow in its bucket policy, as JSON; null without a destination."
  value       = local.backup_destination_uri == null ? null : one(data.aws_iam_policy_document.backup_destination[*].json)
}

output "replication_role_arn" {
  description = "ARN of the role that replicates artifacts; null without replication."
  value       = one(aws_iam_role.replication[*].arn)
}

output "parameter_path" {
  description = "Path in SSM Parameter Store below which the outputs are published, such as `/mlflow/staging` for `/mlflow/staging/mlflow_tracking_uri`. Null without `publish_parameters`."
  value       = var.publish_parameters ? local.parameter_path : null
}

output "notification_topic_arn" {
  description = "Topic for state changes of the servers, failures of the schedule and backups, and the budget, new or existing. Null without notifications."
  value       = local.topic_arn
}

output "schedule_failure_queue_url" {
  description = "Queue of calls that the schedule could not make, each with the reason. Null without a schedule."
  value       = one(aws_sqs_queue.schedule_failures[*].url)
}
