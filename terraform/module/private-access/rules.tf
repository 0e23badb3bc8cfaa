# The VPC's own settings: without them AWS refuses private DNS only half-way through an apply. Nothing takes its values
# from this read, so that one that must wait for the apply plans no replacement.
data "aws_vpc" "this" {
  id = var.vpc_id

  lifecycle {
    precondition {
      condition     = length(var.allowed_cidr_blocks) + length(var.allowed_security_group_ids) > 0
      error_message = "Nobody could reach the endpoints: give allowed_cidr_blocks or allowed_security_group_ids."
    }

    postcondition {
      condition     = self.enable_dns_support && self.enable_dns_hostnames
      error_message = "VPC ${var.vpc_id} has DNS support or DNS hostnames turned off, and clients would go on asking for the public addresses: set enable_dns_support and enable_dns_hostnames on it."
    }
  }
}
