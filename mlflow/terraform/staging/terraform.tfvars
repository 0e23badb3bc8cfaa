# Your AWS account. Terraform plans nothing until you set it.
# allowed_account_ids = ["111122223333"]

region       = "us-east-1"
project_name = "mlflow"
environment  = "staging"

# The bucket becomes mlflow-staging-mlflow-artifacts-zali-staging. Bucket names are shared by all AWS accounts.
bucket_name_suffix = "zali-staging"

# `make upgrade` keeps the versions in versions.auto.tfvars.json, which takes precedence over this file.
mlflow_version                  = "3.0"
tracking_server_size            = "Small"
automatic_model_registration    = true
weekly_maintenance_window_start = "Tue:18:30"

# The server is stopped at night and at the weekend. scripts/server.py starts it outside these hours.
schedule = {
  start     = "cron(0 7 ? * MON-FRI *)"
  stop      = "cron(0 20 ? * MON-FRI *)"
  time_zone = "UTC"
}

# A topic for state changes and schedule failures. To get e-mails: { emails = ["you@example.com"] }
notifications = {}

# The role of the training pipeline and its jobs. On AWS, name the ECR repositories of the jobs' images in image_repositories.
training_pipeline = {}
