terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }

  # The bucket holds this state too. `make bootstrap` makes it first, with a state on this machine, and moves that in.
  backend "s3" {}
}
