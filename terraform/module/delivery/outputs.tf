output "delivery_pipeline_name" {
  description = "Name of the CodePipeline pipeline from a push to a validated endpoint; null without `delivery`."
  value       = one(aws_codepipeline.delivery[*].name)
}

output "delivery_pipeline_arn" {
  description = "ARN of the same pipeline. Those who approve need `codepipeline:PutApprovalResult` on its approval, `ARN/Approve/Approve`."
  value       = one(aws_codepipeline.delivery[*].arn)
}
