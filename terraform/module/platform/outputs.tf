# Written by `make docs` from the outputs of module mlflow and module serving and module pipeline and module delivery and module studio. Do not edit: change them there.

output "project_name" {
  description = "Name of the project, as given."
  value       = module.mlflow.project_name
}

output "environment" {
  description = "Name of the environment, as given."
  value       = module.mlflow.environment
}

output "aws_account_id" {
  description = "AWS account of the environment."
  value       = module.mlflow.aws_account_id
}

output "aws_region" {
  description = "AWS region of the environment."
  value       = module.mlflow.aws_region
}

output "mlflow_tracking_uri" {
  description = "Tracking URI for MLflow clients: the ARN of the server or the App. The sagemaker-mlflow plugin derives the host from it and signs each request. With the https address alone, a client cannot authenticate."
  value       = module.mlflow.mlflow_tracking_uri
}

output "tracking_server_url" {
  description = "Address of the server's UI, for information; null for an App. Open the UI with a presigned link."
  value       = module.mlflow.tracking_server_url
}

output "tracking_server_name" {
  description = "Name of the tracking server, which ends in its MLflow version, or of the App."
  value       = module.mlflow.tracking_server_name
}

output "tracking_server_arn" {
  description = "ARN of the tracking server or the App, for policies."
  value       = module.mlflow.tracking_server_arn
}

output "mlflow_version" {
  description = "MLflow version of the tracking server, as major.minor, or of the App, as AWS chose it."
  value       = module.mlflow.mlflow_version
}

output "tracking_server_arns" {
  description = "ARNs of all tracking servers, active and retained, or of the App, by MLflow version."
  value       = module.mlflow.tracking_server_arns
}

output "mlflow_role_name" {
  description = "Name of the server's role. If the module created it, its inline policy is `MLflowBasicAccess`."
  value       = module.mlflow.mlflow_role_name
}

output "mlflow_role_arn" {
  description = "ARN of the server's role, new or existing."
  value       = module.mlflow.mlflow_role_arn
}

output "mlflow_role_policy" {
  description = "Policy that the server's role needs, as JSON, for the owner of an existing role."
  value       = module.mlflow.mlflow_role_policy
}

output "reader_policy_arn" {
  description = "ARN of the readers' tracking policy. Attach all policies of `client_policy_arns`: this one grants no artifacts."
  value       = module.mlflow.reader_policy_arn
}

output "writer_policy_arn" {
  description = "ARN of the writers' tracking policy. Attach all policies of `client_policy_arns`: this one grants no artifacts and no deployment."
  value       = module.mlflow.writer_policy_arn
}

output "admin_policy_arn" {
  description = "ARN of the admins' tracking policy. Attach all policies of `client_policy_arns`: this one grants no artifacts and no deployment."
  value       = module.mlflow.admin_policy_arn
}

output "client_policy_arns" {
  description = "The ARNs of all policies that a role needs, by level: `reader`, `writer` and `admin`."
  value       = module.mlflow.client_policy_arns
}

output "client_policy_names" {
  description = "The names of the same policies by level, for permission sets of IAM Identity Center, which refer to customer managed policies by name."
  value       = module.mlflow.client_policy_names
}

output "client_policy_documents" {
  description = "The statements of all policies of a level as one JSON document, by level, for an inline policy of a permission set or role."
  value       = module.mlflow.client_policy_documents
}

output "deletion_protection_policy" {
  description = "What the policy of `deletion_protected_from_role_names` denies, as JSON, for an inline policy of a permission set or role. It is also there if no role is named."
  value       = module.mlflow.deletion_protection_policy
}

output "artifact_store_uri" {
  description = "Where artifacts are stored, as `s3://bucket` or `s3://bucket/prefix`."
  value       = module.mlflow.artifact_store_uri
}

output "former_artifact_store_uris" {
  description = "Artifact stores of older runs, as given. Scripts read artifacts there, too."
  value       = module.mlflow.former_artifact_store_uris
}

output "artifact_bucket_name" {
  description = "Name of the bucket that artifacts are stored in, new or existing."
  value       = module.mlflow.artifact_bucket_name
}

output "kms_key_arn" {
  description = "ARN of the key that encrypts the artifacts, new or existing. Null with SSE-S3."
  value       = module.mlflow.kms_key_arn
}

output "backup_archive_uri" {
  description = "Archive of the active server's backups, which the nightly job and `make backup` write."
  value       = module.mlflow.backup_archive_uri
}

output "backup_project_name" {
  description = "Name of the CodeBuild project that makes the nightly backups; null without them."
  value       = module.mlflow.backup_project_name
}

output "backup_failure_queue_url" {
  description = "Queue of the backups that could not be started, each with the reason; null without a backup."
  value       = module.mlflow.backup_failure_queue_url
}

output "data_events_bucket_policy" {
  description = "What the owner of the bucket of `data_events` must allow in its bucket policy, as JSON; null without data events."
  value       = module.mlflow.data_events_bucket_policy
}

output "backup_destination_policy" {
  description = "What the owner of the bucket of `backup.destination_uri` must allow in its bucket policy, as JSON; null without a destination."
  value       = module.mlflow.backup_destination_policy
}

output "replication_role_arn" {
  description = "ARN of the role that replicates artifacts; null without replication."
  value       = module.mlflow.replication_role_arn
}

output "parameter_path" {
  description = "Path in SSM Parameter Store below which the outputs are published, such as `/mlflow/staging` for `/mlflow/staging/mlflow_tracking_uri`. Null without `publish_parameters`."
  value       = module.mlflow.parameter_path
}

output "notification_topic_arn" {
  description = "Topic for state changes of the servers, failures of the schedule and backups, and the budget, new or existing. Null without notifications."
  value       = module.mlflow.notification_topic_arn
}

output "schedule_failure_queue_url" {
  description = "Queue of calls that the schedule could not make, each with the reason. Null without a schedule."
  value       = module.mlflow.schedule_failure_queue_url
}

output "endpoint_execution_role_arn" {
  description = "ARN of the execution role of the endpoints. To deploy, a role needs iam:PassRole on it."
  value       = module.serving.endpoint_execution_role_arn
}

output "endpoint_execution_role_name" {
  description = "Name of the execution role of the endpoints, to attach more policies to it."
  value       = module.serving.endpoint_execution_role_name
}

output "serving_repository_url" {
  description = "Address of the image repository, without a tag."
  value       = module.serving.serving_repository_url
}

output "image_build_project_name" {
  description = "Name of the CodeBuild project that builds serving images; null without one."
  value       = module.serving.image_build_project_name
}

output "image_pusher_policy_arn" {
  description = "ARN of the policy that allows building and pushing serving images. Attach it to the roles of people or of CI."
  value       = module.serving.image_pusher_policy_arn
}

output "image_pusher_role_arn" {
  description = "ARN of the role that `image_pusher_principal_arns` may assume to build and push serving images; null without any."
  value       = module.serving.image_pusher_role_arn
}

output "pipeline_role_arn" {
  description = "ARN of the role of the training pipeline and its jobs; null without `training_pipeline`."
  value       = module.pipeline.pipeline_role_arn
}

output "pipeline_runner_policy_arn" {
  description = "ARN of the policy that allows running the training pipeline, in addition to the writers' policies; null without `training_pipeline`."
  value       = module.pipeline.pipeline_runner_policy_arn
}

output "delivery_pipeline_name" {
  description = "Name of the CodePipeline pipeline from a push to a validated endpoint; null without `delivery`."
  value       = module.delivery.delivery_pipeline_name
}

output "delivery_pipeline_arn" {
  description = "ARN of the same pipeline. Those who approve need `codepipeline:PutApprovalResult` on its approval, `ARN/Approve/Approve`."
  value       = module.delivery.delivery_pipeline_arn
}

output "studio_domain_id" {
  description = "Id of the SageMaker Studio domain; null without `studio`."
  value       = module.studio.studio_domain_id
}

output "studio_url" {
  description = "Address of SageMaker Studio, for information; null without `studio`. Users open it with a presigned link of their profile."
  value       = module.studio.studio_url
}

output "studio_user_profile_arns" {
  description = "ARNs of the Studio profiles by name, for policies that allow `sagemaker:CreatePresignedDomainUrl`; null without `studio`."
  value       = module.studio.studio_user_profile_arns
}

output "studio_role_arns" {
  description = "ARNs of the roles of the users' applications in Studio, by level; null without `studio`."
  value       = module.studio.studio_role_arns
}
