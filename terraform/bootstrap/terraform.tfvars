# Your AWS account, and a bucket name that no other AWS account uses: the account number makes it unique.
# allowed_account_ids = ["111122223333"]
# bucket_name         = "mlflow-terraform-states-111122223333"

region       = "us-east-1"
environments = ["prod", "staging"]
