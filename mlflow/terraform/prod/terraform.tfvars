# Your AWS account, which should differ from staging's. Terraform plans nothing until you set it.
# allowed_account_ids = ["111122223333"]

region       = "us-east-1"
project_name = "mlflow"
environment  = "prod"

# The bucket becomes mlflow-prod-mlflow-artifacts-zali-prod. Bucket names are shared by all AWS accounts.
bucket_name_suffix = "zali-prod"

# `make upgrade` keeps the versions in versions.auto.tfvars.json, which takes precedence over this file.
mlflow_version                  = "3.0"
tracking_server_size            = "Medium"
automatic_model_registration    = true
weekly_maintenance_window_start = "Sun:03:30"

# The server runs day and night: no schedule.

# A topic for state changes and failures. To get e-mails: { emails = ["you@example.com"] }
notifications = {}

# A backup every night at 2:30 UTC, into backups/ in the artifact bucket. Thirty are kept.
backup = {}
