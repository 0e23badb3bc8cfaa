# Checks the VPC's settings at plan time, because AWS refuses private DNS in the middle of an apply. No resource uses values of this data
# source, so that a read that is deferred to the apply plans no replacement.
data "aws_vpc" "this" {
  id = var.vpc_id

  lifecycle {
    precondition {
      condition     = length(var.allowed_cidr_blocks) + length(var.allowed_security_group_ids) > 0
      error_message = "No client could reach the endpoints. Set allowed_cidr_blocks or allowed_security_group_ids."
    }

    postcondition {
      condition     = self.enable_dns_support && self.enable_dns_hostnames
      error_message = "VPC ${var.vpc_id} has DNS support or DNS hostnames turned off, so clients would still resolve the public addresses. Set enable_dns_support and enable_dns_hostnames on it."
    }
  }
}
