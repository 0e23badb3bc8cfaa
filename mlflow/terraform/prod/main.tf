module "platform" {
  source = "../../../terraform/module/platform"

  # Prod always has a KMS key, so that access to its artifacts can be audited and withdrawn by key: a new one, unless
  # terraform.tfvars names an existing one.
  kms = merge(var.kms, { create = var.kms_key_id == null && var.kms.key_id == null && var.kms.alias == null })

  # Prod has no switch that lets `terraform destroy` delete data.
  dangerously_delete_data_on_destroy = false

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
  mlflow_image_repository            = var.mlflow_image_repository
  allowed_instance_types             = var.allowed_instance_types
  async_topic_arns                   = var.async_topic_arns
  endpoint_vpc                       = var.endpoint_vpc
  image_build                        = var.image_build
  image_pusher_principal_arns        = var.image_pusher_principal_arns
  keep_images                        = var.keep_images
  model_package_readers              = var.model_package_readers
  monitoring                         = var.monitoring
  training_pipeline                  = var.training_pipeline
  delivery                           = var.delivery
  studio                             = var.studio
  # End of the part that `make docs` writes.
}
