# Your AWS account, and a name for the bucket that nobody else on AWS has: its number makes one.
# allowed_account_ids = ["111122223333"]
# bucket_name         = "mlflow-terraform-states-111122223333"

region       = "us-east-1"
environments = ["prod", "staging"]
