# The nightly backup, on a mocked AWS. Policies are asserted on real plans elsewhere.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "a_backup_keeps_thirty_nights_of_the_active_server_unless_told_otherwise" {
  command = plan

  variables {
    backup                   = { repository = "./tests/mocks/repository" }
    retained_mlflow_versions = ["2.13"]
    notifications            = { emails = ["team@example.com"] }
  }

  assert {
    condition     = aws_scheduler_schedule.backup[0].schedule_expression == "cron(30 2 * * ? *)" && aws_scheduler_schedule.backup[0].schedule_expression_timezone == "UTC"
    error_message = "The default must be every night."
  }
  assert {
    condition     = join(" ", [for one in aws_codebuild_project.backup[0].environment[0].environment_variable : one.value if one.name != "TRACKING_SERVER_ARN"]) == "s3://churn-dev-mlflow-artifacts-acme/backups/churn-dev-3-0 30"
    error_message = "Thirty backups must be kept, in the active server's archive."
  }
  assert {
    condition     = endswith(one([for one in aws_codebuild_project.backup[0].environment[0].environment_variable : one.value if one.name == "TRACKING_SERVER_ARN"]), ":mlflow-tracking-server/churn-dev-3-0")
    error_message = "The job must back up the active server into that server's archive."
  }
  assert {
    condition     = contains(jsondecode(aws_cloudwatch_event_rule.backup_failed[0].event_pattern).detail["build-status"], "FAILED") && jsondecode(aws_cloudwatch_event_rule.backup_failed[0].event_pattern).detail["project-name"] == [aws_codebuild_project.backup[0].name] && aws_cloudwatch_event_target.backup_failed[0].rule == aws_cloudwatch_event_rule.backup_failed[0].name
    error_message = "Those who are notified must hear of this project's failed backups."
  }
  assert {
    condition     = aws_codebuild_project.backup[0].concurrent_build_limit == 1
    error_message = "A night's backup must not begin beside the one before it."
  }
  assert {
    condition     = aws_codebuild_project.backup[0].source[0].location == "churn-dev-mlflow-artifacts-acme/backups/tool/" && aws_s3_object.backup_tool["src/mlflow_transfer/cli.py"].key == "backups/tool/src/mlflow_transfer/cli.py"
    error_message = "The job's source must be the folder that the tool is uploaded to."
  }
  assert {
    condition     = aws_ssm_parameter.output["backup_archive_uri"].value == output.backup_archive_uri
    error_message = "Whoever may not read Terraform's state must find the archive."
  }
}
