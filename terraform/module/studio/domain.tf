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

  # For a profile without settings of its own, as of the domain's creation.
  default_user_settings {
    execution_role      = aws_iam_role.studio["reader"].arn
    security_groups     = var.studio.security_group_ids
    studio_web_portal   = "ENABLED"
    default_landing_uri = "studio::"

    jupyter_lab_app_settings {
      app_lifecycle_management {
        idle_settings {
          lifecycle_management        = "ENABLED"
          idle_timeout_in_minutes     = var.studio.idle_minutes
          min_idle_timeout_in_minutes = 60
          max_idle_timeout_in_minutes = var.studio.idle_minutes
        }
      }
    }

    code_editor_app_settings {
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

  retention_policy {
    home_efs_file_system = var.dangerously_delete_homes_on_destroy ? "Delete" : "Retain"
  }

  lifecycle {
    # An update of a VpcOnly domain fails: https://github.com/hashicorp/terraform-provider-aws/issues/45528
    # The profiles have the settings that can change.
    ignore_changes = [default_user_settings, domain_settings, retention_policy]

    # AWS gives an application the security groups of the domain and those of its profile.
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UserSettings.html
    postcondition {
      condition     = length(try(setsubtract(self.default_user_settings[0].security_groups, var.studio.security_group_ids), [])) == 0
      error_message = "studio.security_group_ids lacks a security group that the domain itself has (${join(", ", setsubtract(self.default_user_settings[0].security_groups, var.studio.security_group_ids))}). Terraform cannot remove it from the domain: run the command in docs/guides/studio.md (\"Change the network\"), then apply again."
    }
  }
}

# Terraform keeps the value of the domain's creation.
check "studio_files" {
  assert {
    condition     = alltrue([for domain in aws_sagemaker_domain.studio : domain.retention_policy[0].home_efs_file_system == (var.dangerously_delete_homes_on_destroy ? "Delete" : "Retain")])
    error_message = var.dangerously_delete_homes_on_destroy ? "The Studio domain was created to keep its users' files, and a destroy keeps them: delete the EFS file system after it (docs/guides/studio.md)." : "The Studio domain was created to delete its users' files: a destroy still deletes them. Back up the EFS file system first."
  }
}

resource "aws_sagemaker_user_profile" "user" {
  for_each = local.has_studio ? var.studio.user_profiles : {}

  domain_id         = aws_sagemaker_domain.studio[0].id
  user_profile_name = each.key
  tags              = var.tags

  user_settings {
    execution_role  = aws_iam_role.studio[each.value].arn
    security_groups = var.studio.security_group_ids

    # An application costs its instance by the hour until it is stopped. Users can choose a shorter time.
    # https://docs.aws.amazon.com/sagemaker/latest/dg/studio-updated-idle-shutdown.html
    # Provider 5.100 sends 0 for a limit that is not set, which AWS refuses.
    jupyter_lab_app_settings {
      app_lifecycle_management {
        idle_settings {
          lifecycle_management        = "ENABLED"
          idle_timeout_in_minutes     = var.studio.idle_minutes
          min_idle_timeout_in_minutes = 60
          max_idle_timeout_in_minutes = var.studio.idle_minutes
        }
      }
    }

    code_editor_app_settings {
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

  # A user who opens Studio needs the role's policies.
  depends_on = [aws_iam_role_policy.studio, aws_iam_role_policy_attachment.client, aws_iam_role_policy_attachment.runner]
}
