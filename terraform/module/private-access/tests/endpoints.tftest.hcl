# The endpoints and the sources that may reach them.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name        = "churn"
  environment         = "dev"
  vpc_id              = "vpc-0123456789abcdef0"
  subnet_ids          = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  allowed_cidr_blocks = { notebooks = "10.0.16.0/20", "R&D" = "10.0.32.0/20" }
}

run "interface_endpoints_use_private_dns_in_every_subnet_and_accept_https_from_the_given_sources_only" {
  command = plan

  variables {
    allowed_security_group_ids = { studio = "sg-0123456789abcdef0" }
  }

  assert {
    condition     = aws_vpc_endpoint.experiments.service_name == "aws.sagemaker.us-east-1.experiments"
    error_message = "The tracking servers have a service name of their own, which does not begin with com.amazonaws."
  }
  assert {
    condition     = aws_vpc_endpoint.api[0].service_name == "com.amazonaws.us-east-1.sagemaker.api"
    error_message = "The UI's presigned link is asked for from SageMaker's API."
  }
  assert {
    condition     = alltrue([for endpoint in [aws_vpc_endpoint.experiments, aws_vpc_endpoint.api[0]] : endpoint.private_dns_enabled && length(endpoint.subnet_ids) == 2])
    error_message = "Without private DNS clients would go on asking for the public addresses."
  }
  assert {
    condition     = length(aws_vpc_endpoint.s3) == 0
    error_message = "By default no gateway is created, because it would receive all S3 traffic of the VPC."
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.cidr["notebooks"].cidr_ipv4 == "10.0.16.0/20"
    error_message = "The named range must get in."
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.security_group["studio"].referenced_security_group_id == "sg-0123456789abcdef0"
    error_message = "The named group must get in."
  }
  assert {
    condition = alltrue([
      for rule in concat(values(aws_vpc_security_group_ingress_rule.cidr), values(aws_vpc_security_group_ingress_rule.security_group)) :
      rule.from_port == 443 && rule.to_port == 443 && rule.ip_protocol == "tcp"
    ])
    error_message = "Nothing but HTTPS may come in."
  }
}

run "the_api_endpoint_is_optional" {
  command = plan

  variables {
    create_api_endpoint = false
  }

  assert {
    condition     = length(aws_vpc_endpoint.api) == 0 && output.api_endpoint_id == null
    error_message = "AWS refuses a second endpoint with private DNS for the same service."
  }
}

run "a_gateway_is_created_for_the_given_route_tables" {
  variables {
    s3_gateway = {
      route_table_ids = ["rtb-0123456789abcdef0"]
      bucket_names    = ["churn-dev-mlflow-artifacts-acme"]
    }
  }

  assert {
    condition     = aws_vpc_endpoint.s3[0].vpc_endpoint_type == "Gateway" && tolist(aws_vpc_endpoint.s3[0].route_table_ids) == tolist(["rtb-0123456789abcdef0"])
    error_message = "Artifacts go to S3 directly, through the gateway."
  }
  assert {
    condition     = length(output.endpoint_ids) == 3
    error_message = "Policies need the ids of all of them."
  }
}

run "endpoints_without_an_allowed_source_are_refused" {
  command = plan

  variables {
    allowed_cidr_blocks = {}
  }

  expect_failures = [data.aws_vpc.this]
}

run "a_vpc_without_dns_is_refused" {
  command = plan

  override_data {
    target = data.aws_vpc.this
    values = {
      enable_dns_hostnames = false
      enable_dns_support   = true
    }
  }

  expect_failures = [data.aws_vpc.this]
}

run "wrong_ids_the_whole_internet_and_a_gateway_without_buckets_are_refused" {
  command = plan

  variables {
    vpc_id                     = "my-vpc"
    subnet_ids                 = []
    allowed_cidr_blocks        = { all = "0.0.0.0/0" }
    allowed_security_group_ids = { studio = "default" }
    tracking_server_arns       = ["mlflow-staging-3-0"]
    s3_gateway                 = { route_table_ids = ["rtb-0123456789abcdef0"], bucket_names = [] }
  }

  expect_failures = [
    var.vpc_id,
    var.subnet_ids,
    var.allowed_cidr_blocks,
    var.allowed_security_group_ids,
    var.tracking_server_arns,
    var.s3_gateway,
  ]
}

run "ranges_and_groups_that_aws_refuses_and_names_of_route_tables_are_refused" {
  command = plan

  variables {
    allowed_cidr_blocks        = { a = "10.0.16.0/20", b = "10.0.16.5/20" }
    allowed_security_group_ids = { studio = "sg-0123456789abcdef0", "Büro" = "sg-0123456789abcdef1" }
    s3_gateway                 = { route_table_ids = ["main"], bucket_names = ["data"] }
  }

  expect_failures = [var.allowed_cidr_blocks, var.allowed_security_group_ids, var.s3_gateway]
}

run "a_range_or_a_group_that_is_named_twice_and_the_uri_of_a_bucket_are_refused" {
  command = plan

  variables {
    allowed_cidr_blocks        = { a = "10.0.16.0/20", b = "10.0.16.0/20" }
    allowed_security_group_ids = { a = "sg-0123456789abcdef0", b = "sg-0123456789abcdef0" }
    s3_gateway                 = { route_table_ids = ["rtb-0123456789abcdef0"], bucket_names = ["s3://data"] }
  }

  expect_failures = [var.allowed_cidr_blocks, var.allowed_security_group_ids, var.s3_gateway]
}

run "fifty_tags_and_the_name_are_too_many" {
  command = plan

  variables {
    tags = { for number in range(50) : "tag-${number}" => "" }
  }

  expect_failures = [data.aws_default_tags.current]
}
