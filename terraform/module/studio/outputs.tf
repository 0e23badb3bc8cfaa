output "studio_domain_id" {
  description = "Id of the SageMaker Studio domain; null without `studio`."
  value       = one(aws_sagemaker_domain.studio[*].id)
}

output "studio_url" {
  description = "Address of SageMaker Studio, for information; null without `studio`. Users open it with a presigned link of their profile."
  value       = one(aws_sagemaker_domain.studio[*].url)
}

output "studio_user_profile_arns" {
  description = "ARNs of the Studio profiles by name, for policies that allow `sagemaker:CreatePresignedDomainUrl`; null without `studio`."
  value       = local.has_studio ? { for name, profile in aws_sagemaker_user_profile.user : name => profile.arn } : null
}

output "studio_role_arns" {
  description = "ARNs of the roles of the users' applications in Studio, by level; null without `studio`."
  value       = local.has_studio ? { for level, role in aws_iam_role.studio : level => role.arn } : null
}
