# Written to the language of Terraform 1.5, so that nobody is made to upgrade; developed and tested with 1.11.
terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}
