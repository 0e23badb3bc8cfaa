# Endpoints accept HTTPS and open no connections themselves.
resource "aws_security_group" "endpoints" {
  name        = "${local.name}-mlflow-endpoints"
  description = "HTTPS to the SageMaker endpoints of ${local.name}"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${local.name}-mlflow-endpoints" })
}

resource "aws_vpc_security_group_ingress_rule" "cidr" {
  for_each = var.allowed_cidr_blocks

  security_group_id = aws_security_group.endpoints.id
  description       = "HTTPS from ${each.key}"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.value
  tags              = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "security_group" {
  for_each = var.allowed_security_group_ids

  security_group_id            = aws_security_group.endpoints.id
  description                  = "HTTPS from ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = each.value
  tags                         = var.tags
}

data "aws_default_tags" "current" {
  lifecycle {
    postcondition {
      condition     = length(setunion(keys(var.tags), keys(self.tags), ["Name"])) <= 50
      error_message = "tags, the provider's default_tags and the tag Name have ${length(setunion(keys(var.tags), keys(self.tags), ["Name"]))} keys together, and AWS allows 50 tags on a resource. Remove some."
    }
  }
}
