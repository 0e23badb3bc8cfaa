# Whatever credentials the shell happens to hold, nothing is planned or changed in an account that is not listed.
provider "aws" {
  region              = var.region
  allowed_account_ids = var.allowed_account_ids

  default_tags {
    tags = {
      managed-by = "terraform"
    }
  }
}
