# The MLflow App of `backend = "serverless"`, through CloudFormation: provider 5 has no resource for it, and the one of provider 6.35
# could not be tested. A new App needs another name, so a change of Name or RoleArn replaces the App by an empty one.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sagemaker-mlflowapp.html
resource "aws_cloudformation_stack" "app" {
  count = local.is_serverless ? 1 : 0

  name          = "${local.app_name}-stack"
  template_body = jsonencode(local.app_template)
  policy_body   = jsonencode(local.app_stack_policy)
  tags          = var.tags

  # As for a server: AWS uses the role and the bucket while it creates the App.
  depends_on = [
    aws_iam_role_policy.basic_access,
    aws_iam_role_policy_attachment.additional,
    aws_iam_role_policy_attachment.deletion_protection,
    aws_s3_bucket.artifacts,
    aws_s3_bucket_ownership_controls.artifacts,
    aws_s3_bucket_policy.artifacts,
    aws_s3_bucket_public_access_block.artifacts,
    aws_s3_bucket_server_side_encryption_configuration.artifacts,
    aws_s3_bucket_versioning.artifacts,
  ]
}

locals {
  app_name           = "${local.name}-app"
  app_arn            = one(aws_cloudformation_stack.app[*].outputs.TrackingUri)
  app_mlflow_version = one(aws_cloudformation_stack.app[*].outputs.MlflowVersion)

  # If the stack is deleted, the App stays, with all runs, unless the environment may be deleted with its data.
  app_deletion_policy = var.dangerously_delete_artifacts_on_destroy ? "Delete" : "RetainExceptOnCreate"

  app_template = {
    Description = "MLflow App of ${local.name}"
    Resources = {
      App = {
        Type                = "AWS::SageMaker::MlflowApp"
        DeletionPolicy      = local.app_deletion_policy
        UpdateReplacePolicy = "Retain"
        # CloudFormation does not update a deletion policy alone, but it does with a change of the metadata.
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
        Metadata = { DeletionPolicy = local.app_deletion_policy }
        Properties = merge(
          {
            Name                  = local.app_name
            ArtifactStoreUri      = local.artifact_store_uri
            RoleArn               = local.role_arn
            ModelRegistrationMode = var.automatic_model_registration ? "AutoModelRegistrationEnabled" : "AutoModelRegistrationDisabled"
          },
          var.weekly_maintenance_window_start == null ? {} : { WeeklyMaintenanceWindowStart = var.weekly_maintenance_window_start },
        )
      }
    }
    Outputs = {
      TrackingUri   = { Value = { "Fn::GetAtt" = ["App", "Arn"] } }
      MlflowVersion = { Value = { "Fn::GetAtt" = ["App", "MlflowVersion"] } }
    }
  }

  # No update of the stack may replace or remove the App.
  app_stack_policy = {
    Statement = [
      { Effect = "Allow", Action = "Update:*", Principal = "*", Resource = "*" },
      { Effect = "Deny", Action = ["Update:Replace", "Update:Delete"], Principal = "*", Resource = "LogicalResourceId/App" },
    ]
  }

  # Inputs that only a tracking server has, in the words of the message. A default counts as not given.
  refused_by_apps = !local.is_serverless ? [] : compact([
    var.mlflow_version == "3.0" ? "" : "mlflow_version (AWS chooses the version)",
    length(var.retained_mlflow_versions) == 0 ? "" : "retained_mlflow_versions",
    length(var.tracking_server_name_override) == 0 ? "" : "tracking_server_name_override",
    var.tracking_server_size == "Small" ? "" : "tracking_server_size",
    var.schedule == null ? "" : "schedule (an idle App costs nothing)",
    var.backup == null ? "" : "backup (run `make backup`)",
    length(var.reader_role_names) == 0 ? "" : "reader_role_names (IAM has one action for everything, so who may read may delete)",
  ])
}
