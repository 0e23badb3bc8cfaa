# Rights of the endpoints' role that only some environments need: network interfaces in a VPC, and notifications.
locals {
  has_endpoint_options = var.endpoint_vpc != null || length(var.async_topic_arns) > 0

  ec2                  = "arn:${local.partition}:ec2:${local.region}:${local.account_id}"
  endpoint_subnet_arns = var.endpoint_vpc == null ? [] : [for id in var.endpoint_vpc.subnet_ids : "${local.ec2}:subnet/${id}"]
  endpoint_group_arns  = var.endpoint_vpc == null ? [] : [for id in var.endpoint_vpc.security_group_ids : "${local.ec2}:security-group/${id}"]
}

resource "aws_iam_role_policy" "endpoint_options" {
  count = local.has_endpoint_options ? 1 : 0

  name   = "EndpointOptions"
  role   = aws_iam_role.endpoint.id
  policy = data.aws_iam_policy_document.endpoint_options.json
}

data "aws_iam_policy_document" "endpoint_options" {
  # SageMaker attaches the containers of a model with a VpcConfig to the VPC with this role.
  # https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html
  dynamic "statement" {
    for_each = var.endpoint_vpc == null ? [] : [1]

    content {
      sid       = "AllowCreateNetworkInterface"
      actions   = ["ec2:CreateNetworkInterface"]
      resources = concat(local.endpoint_subnet_arns, local.endpoint_group_arns, ["${local.ec2}:network-interface/*"])
    }
  }

  dynamic "statement" {
    for_each = var.endpoint_vpc == null ? [] : [1]

    content {
      sid = "AllowManageNetworkInterface"
      actions = [
        "ec2:CreateNetworkInterfacePermission",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
      ]
      resources = ["${local.ec2}:network-interface/*"]

      condition {
        test     = "ArnEquals"
        variable = "ec2:Subnet"
        values   = local.endpoint_subnet_arns
      }
    }
  }

  # AWS supports no resource for these actions.
  dynamic "statement" {
    for_each = var.endpoint_vpc == null ? [] : [1]

    content {
      sid = "AllowDescribeNetwork"
      actions = [
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeVpcs",
      ]
      resources = ["*"]
    }
  }

  # Asynchronous endpoints send notifications with this role.
  # https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-create-endpoint-prerequisites.html
  dynamic "statement" {
    for_each = length(var.async_topic_arns) == 0 ? [] : [1]

    content {
      sid       = "AllowNotifyAboutResults"
      actions   = ["sns:Publish"]
      resources = var.async_topic_arns
    }
  }
}
