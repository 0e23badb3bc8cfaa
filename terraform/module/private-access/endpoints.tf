# Private DNS makes clients come here without a setting of their own: the hosts that the sagemaker-mlflow plugin and
# boto3 know lead to these addresses inside the VPC.

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

# SageMaker's own API: the UI's presigned link is asked for there, and the server is described, started and stopped.
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

# Artifacts do not pass through the server: clients read and write S3 themselves.
resource "aws_vpc_endpoint" "s3" {
  count = var.s3_gateway == null ? 0 : 1

  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.s3_gateway.route_table_ids
  policy            = data.aws_iam_policy_document.s3[0].json
  tags              = merge(var.tags, { Name = "${local.name}-s3" })
}
