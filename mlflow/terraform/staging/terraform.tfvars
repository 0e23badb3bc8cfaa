# Your AWS account. Nothing is planned until you say which it is.
# allowed_account_ids = ["111122223333"]

region       = "us-east-1"
project_name = "mlflow"
environment  = "staging"

# The bucket becomes mlflow-staging-mlflow-artifacts-zali-staging. Bucket names are shared by everybody on AWS.
bucket_name_suffix = "zali-staging"

# `make upgrade` keeps the versions in versions.auto.tfvars.json, which outranks this file.
mlflow_version                  = "3.0"
tracking_server_size            = "Small"
automatic_model_registration    = true
weekly_maintenance_window_start = "Tue:18:30"

# Nobody logs a run to staging at night or at the weekend. scripts/server.py starts the server in between.
schedule = {
  start     = "cron(0 7 ? * MON-FRI *)"
  stop      = "cron(0 20 ? * MON-FRI *)"
  time_zone = "UTC"
}

# A topic that hears of state changes and of a schedule that failed. To be told by e-mail: { emails = ["you@example.com"] }
notifications = {}
