output "experiments_endpoint_id" {
  description = "Id of the endpoint of the tracking servers."
  value       = aws_vpc_endpoint.experiments.id
}

output "api_endpoint_id" {
  description = "Id of the endpoint of SageMaker's API; null if the module creates none."
  value       = one(aws_vpc_endpoint.api[*].id)
}

output "s3_endpoint_id" {
  description = "Id of the gateway endpoint of S3; null if the module creates none."
  value       = one(aws_vpc_endpoint.s3[*].id)
}

output "endpoint_ids" {
  description = "Ids of all endpoints, for policies that allow access from this VPC only (condition `aws:SourceVpce`)."
  value       = concat([aws_vpc_endpoint.experiments.id], aws_vpc_endpoint.api[*].id, aws_vpc_endpoint.s3[*].id)
}

output "security_group_id" {
  description = "Security group of the interface endpoints."
  value       = aws_security_group.endpoints.id
}
