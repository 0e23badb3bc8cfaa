# The domain and the profiles of its users. AWS takes minutes for each.
resource "aws_sagemaker_domain" "studio" {
  count = local.has_studio ? 1 : 0

  domain_name             = local.name
  auth_mode               = "IAM"
  vpc_id                  = var.studio.vpc_id
  subnet_ids              = var.studio.subnet_ids
  app_network_access_type = var.studio.internet_access ? "PublicInternetOnly" : "VpcOnly"
  kms_key_id              = var.studio.kms_key_arn
  tag_propagation         = "ENABLED"
  tags                    = var.tags

  default_user_settings {
    execution_role      = aws_iam_role.studio["reader"].arn
    security_groups     = var.studio.security_group_ids
    studio_web_portal   = "ENABLED"
    default_landing_uri = "studio::"

    jupyter_lab_app_settings {
      # An application costs its instance by the hour until it is stopped.
      # https://docs.aws.amazon.com/sagemaker/latest/dg/studio-updated-idle-shutdown.html
      # Users can choose a shorter time. Provider 5.100 sends 0 for a limit that is not set, which AWS refuses.
      app_lifecycle_management {
        idle_settings {
          lifecycle_management        = "ENABLED"
          idle_timeout_in_minutes     = var.studio.idle_minutes
          min_idle_timeout_in_minutes = 60
          max_idle_timeout_in_minutes = var.studio.idle_minutes
        }
      }
    }
  }

  # Several users share a role. CloudTrail then records the profile with each call.
  # https://docs.aws.amazon.com/sagemaker/latest/dg/monitor-user-access.html
  domain_settings {
    execution_role_identity_config = "USER_PROFILE_NAME"
  }

  retention_policy {
    home_efs_file_system = var.dangerously_delete_homes_on_destroy ? "Delete" : "Retain"
  }
}

resource "aws_sagemaker_user_profile" "user" {
  for_each = local.has_studio ? var.studio.user_profiles : {}

  domain_id         = aws_sagemaker_domain.studio[0].id
  user_profile_name = each.key
  tags              = var.tags

  user_settings {
    execution_role = aws_iam_role.studio[each.value].arn
  }

  # A user who opens Studio needs the role's policies.
  depends_on = [aws_iam_role_policy.studio, aws_iam_role_policy_attachment.client, aws_iam_role_policy_attachment.runner]
}
