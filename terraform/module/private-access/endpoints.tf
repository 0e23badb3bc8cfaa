# With private DNS, clients use these endpoints without configuration: inside the VPC, the host names that the sagemaker-mlflow
# plugin and boto3 use resolve to the endpoints' addresses.

# The tracking server's API and UI.
resource "aws_vpc_endpoint" "experiments" {
  vpc_id              = var.vpc_id
  service_name        = "aws.sagemaker.${local.region}.experiments"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.subnet_ids
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true
  policy              = data.aws_iam_policy_document.experiments.json
  tags                = merge(var.tags, { Name = "${local.name}-mlflow" })
}

# SageMaker's API: clients create presigned links to the UI with it, and describe, start and stop the server.
resource "aws_vpc_endpoint" "api" {
  count = var.create_api_endpoint ? 1 : 0

  vpc_id              = var.vpc_id
  service_name        = "com.amazonaws.${local.region}.sagemaker.api"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.subnet_ids
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true
  policy              = data.aws_iam_policy_document.api.json
  tags                = merge(var.tags, { Name = "${local.name}-sagemaker-api" })
}

# Artifacts do not pass through the server: clients read and write S3 directly.
resource "aws_vpc_endpoint" "s3" {
  count = var.s3_gateway == null ? 0 : 1

  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.s3_gateway.route_table_ids
  policy            = data.aws_iam_policy_document.s3[0].json
  tags              = merge(var.tags, { Name = "${local.name}-s3" })
}
