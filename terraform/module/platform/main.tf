# One environment: the tracking server with its artifacts, what models need to be served, the training
# pipeline's role, the delivery of models from a push, and SageMaker Studio. Each root in mlflow/terraform calls this module.
module "mlflow" {
  source = "../mlflow"

  dangerously_delete_artifacts_on_destroy = var.dangerously_delete_data_on_destroy
  deployment_policy_document              = module.serving.deployment_policy_document
  create_deployment_policy                = true

  # Written by `make docs`: the other inputs, unchanged.
  project_name                       = var.project_name
  environment                        = var.environment
  backend                            = var.backend
  mlflow_version                     = var.mlflow_version
  retained_mlflow_versions           = var.retained_mlflow_versions
  tracking_server_name_override      = var.tracking_server_name_override
  tracking_server_size               = var.tracking_server_size
  automatic_model_registration       = var.automatic_model_registration
  weekly_maintenance_window_start    = var.weekly_maintenance_window_start
  create_s3_bucket                   = var.create_s3_bucket
  bucket_name_suffix                 = var.bucket_name_suffix
  bucket_name_override               = var.bucket_name_override
  artifact_store_uri                 = var.artifact_store_uri
  former_artifact_store_uris         = var.former_artifact_store_uris
  noncurrent_version_expiration_days = var.noncurrent_version_expiration_days
  artifact_transition                = var.artifact_transition
  deleted_artifact_expiration_days   = var.deleted_artifact_expiration_days
  object_lock                        = var.object_lock
  replication                        = var.replication
  access_logs                        = var.access_logs
  data_events                        = var.data_events
  cors_allowed_origins               = var.cors_allowed_origins
  kms_key_id                         = var.kms_key_id
  kms                                = var.kms
  create_role                        = var.create_role
  role_arn                           = var.role_arn
  role_name_override                 = var.role_name_override
  harden_server_role                 = var.harden_server_role
  exclusive_role_policies            = var.exclusive_role_policies
  reader_role_names                  = var.reader_role_names
  writer_role_names                  = var.writer_role_names
  admin_role_names                   = var.admin_role_names
  deletion_protected_from_role_names = var.deletion_protected_from_role_names
  verify_client_roles                = var.verify_client_roles
  readers_may_open_ui                = var.readers_may_open_ui
  additional_role_policies           = var.additional_role_policies
  iam_path                           = var.iam_path
  global_name_prefix                 = var.global_name_prefix
  permissions_boundary_arn           = var.permissions_boundary_arn
  backup                             = var.backup
  schedule                           = var.schedule
  notifications                      = var.notifications
  monthly_budget_usd                 = var.monthly_budget_usd
  create_dashboard                   = var.create_dashboard
  publish_parameters                 = var.publish_parameters
  tags                               = var.tags
  # End of the part that `make docs` writes.
}

module "serving" {
  source = "../serving"

  artifact_store_uri                   = module.mlflow.artifact_store_uri
  kms_key_arn                          = module.mlflow.kms_key_arn
  former_kms_key_arns                  = module.mlflow.former_kms_key_arns
  notification_topic_arn               = module.mlflow.notification_topic_arn
  dangerously_delete_images_on_destroy = var.dangerously_delete_data_on_destroy

  # Monitoring cannot log to an App.
  tracking_server = var.backend == "serverless" ? null : {
    name           = module.mlflow.tracking_server_name
    mlflow_version = module.mlflow.mlflow_version
  }

  # Written by `make docs`: the other inputs, unchanged.
  project_name                = var.project_name
  environment                 = var.environment
  former_artifact_store_uris  = var.former_artifact_store_uris
  mlflow_image_repository     = var.mlflow_image_repository
  allowed_instance_types      = var.allowed_instance_types
  async_topic_arns            = var.async_topic_arns
  endpoint_vpc                = var.endpoint_vpc
  image_build                 = var.image_build
  image_pusher_principal_arns = var.image_pusher_principal_arns
  keep_images                 = var.keep_images
  model_package_readers       = var.model_package_readers
  iam_path                    = var.iam_path
  global_name_prefix          = var.global_name_prefix
  permissions_boundary_arn    = var.permissions_boundary_arn
  publish_parameters          = var.publish_parameters
  tags                        = var.tags
  monitoring                  = var.monitoring
  # End of the part that `make docs` writes.
}

module "pipeline" {
  source = "../pipeline"

  artifact_store_uri  = module.mlflow.artifact_store_uri
  kms_key_arn         = module.mlflow.kms_key_arn
  tracking_policy_arn = module.mlflow.writer_policy_arn

  # Written by `make docs`: the other inputs, unchanged.
  project_name             = var.project_name
  environment              = var.environment
  training_pipeline        = var.training_pipeline
  iam_path                 = var.iam_path
  global_name_prefix       = var.global_name_prefix
  permissions_boundary_arn = var.permissions_boundary_arn
  publish_parameters       = var.publish_parameters
  tags                     = var.tags
  # End of the part that `make docs` writes.
}

module "delivery" {
  source = "../delivery"

  # A key that the mlflow module creates serves its own bucket only.
  kms_key_arn            = var.kms.create ? null : module.mlflow.kms_key_arn
  runner_policy_arn      = module.pipeline.pipeline_runner_policy_arn
  can_train              = var.training_pipeline != null
  tracking_policy_arn    = module.mlflow.writer_policy_arn
  deployer_policy_arns   = module.mlflow.client_policy_arns["writer"]
  notify                 = var.notifications != null
  notification_topic_arn = module.mlflow.notification_topic_arn

  # Written by `make docs`: the other inputs, unchanged.
  project_name             = var.project_name
  environment              = var.environment
  delivery                 = var.delivery
  iam_path                 = var.iam_path
  global_name_prefix       = var.global_name_prefix
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
  # End of the part that `make docs` writes.
}

module "studio" {
  source = "../studio"

  reader_policy_arns                  = module.mlflow.client_policy_arns["reader"]
  writer_policy_arns                  = module.mlflow.client_policy_arns["writer"]
  runner_policy_arn                   = module.pipeline.pipeline_runner_policy_arn
  can_train                           = var.training_pipeline != null
  dangerously_delete_homes_on_destroy = var.dangerously_delete_data_on_destroy

  # Written by `make docs`: the other inputs, unchanged.
  project_name             = var.project_name
  environment              = var.environment
  studio                   = var.studio
  iam_path                 = var.iam_path
  global_name_prefix       = var.global_name_prefix
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
  # End of the part that `make docs` writes.
}
