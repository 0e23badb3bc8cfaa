terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }

  # `make bootstrap` creates the bucket with a local state first, and then moves that state into the bucket.
  backend "s3" {}
}
