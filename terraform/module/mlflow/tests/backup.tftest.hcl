# The nightly backup, on a mocked AWS. tests/terraform and tests/policy check the real policies.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "by_default_a_backup_runs_every_night_keeps_thirty_and_alarms_when_one_is_missing" {
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
    error_message = "The job must back up the active server."
  }
  assert {
    condition     = contains(jsondecode(aws_cloudwatch_event_rule.backup_failed[0].event_pattern).detail["build-status"], "FAILED") && jsondecode(aws_cloudwatch_event_rule.backup_failed[0].event_pattern).detail["project-name"] == [aws_codebuild_project.backup[0].name] && aws_cloudwatch_event_target.backup_failed[0].rule == aws_cloudwatch_event_rule.backup_failed[0].name
    error_message = "The topic must receive this project's failed backups."
  }
  assert {
    condition     = aws_codebuild_project.backup[0].concurrent_build_limit == 1
    error_message = "Two backups must not run at the same time."
  }
  assert {
    condition     = aws_codebuild_project.backup[0].source[0].location == "churn-dev-mlflow-artifacts-acme/backups/tool/" && aws_s3_object.backup_tool[0].key == "backups/tool/tool.json.gz"
    error_message = "The job's source must be the folder that the tool is uploaded to."
  }
  assert {
    condition     = length(aws_s3_object.backup_tool[0].tags) <= 10
    error_message = "S3 allows ten tags per object."
  }
  assert {
    condition     = aws_scheduler_schedule.backup[0].target[0].retry_policy[0].maximum_retry_attempts == 20 && length(aws_scheduler_schedule.backup[0].target[0].dead_letter_config) == 1
    error_message = "A start must be retried, and kept if it still fails."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.backup_missing[0].metric_name == "SucceededBuilds" && aws_cloudwatch_metric_alarm.backup_missing[0].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.backup_missing[0].period * aws_cloudwatch_metric_alarm.backup_missing[0].evaluation_periods == 26 * 3600
    error_message = "Twenty-six hours without a successful build must raise an alarm, also when CodeBuild reports nothing."
  }
  assert {
    condition     = aws_ssm_parameter.output["backup_archive_uri"].value == output.backup_archive_uri
    error_message = "The archive must be published for clients that cannot read the Terraform state."
  }
  assert {
    condition     = length(aws_codebuild_project.backup[0].vpc_config) == 0 && output.backup_destination_policy == null
    error_message = "By default the job uses no VPC and no other bucket."
  }
}

run "a_backup_can_run_in_a_vpc_with_its_own_package_index_and_write_to_another_bucket" {
  command = plan

  variables {
    backup = {
      repository        = "./tests/mocks/repository"
      destination_uri   = "s3://acme-backups/mlflow/"
      alarm_after_hours = 168
      package_index_url = "https://packages.example.com/simple"
      vpc = {
        vpc_id             = "vpc-0123456789abcdef0"
        subnet_ids         = ["subnet-0123456789abcdef0"]
        security_group_ids = ["sg-0123456789abcdef0"]
      }
    }
  }

  assert {
    condition     = one([for one in aws_codebuild_project.backup[0].environment[0].environment_variable : one.value if one.name == "ARCHIVE"]) == "s3://acme-backups/mlflow/churn-dev-3-0" && output.backup_archive_uri == "s3://acme-backups/mlflow/churn-dev-3-0"
    error_message = "The archive must be in the given bucket."
  }
  assert {
    condition     = one([for one in aws_codebuild_project.backup[0].environment[0].environment_variable : one.value if one.name == "PIP_INDEX_URL"]) == "https://packages.example.com/simple"
    error_message = "pip must use the given index."
  }
  assert {
    condition     = aws_codebuild_project.backup[0].vpc_config[0].vpc_id == "vpc-0123456789abcdef0" && aws_codebuild_project.backup[0].vpc_config[0].subnets == toset(["subnet-0123456789abcdef0"])
    error_message = "The job must run in the given subnets."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.backup_missing[0].evaluation_periods == 168 && output.backup_destination_policy != null
    error_message = "The alarm must wait for the given hours, and the destination's owner must learn what to allow."
  }
}

run "a_backup_reads_former_artifact_stores" {
  command = plan

  variables {
    backup                     = { repository = "./tests/mocks/repository" }
    former_artifact_store_uris = ["s3://old-bucket/team's/", "s3://older-bucket"]
  }

  assert {
    condition     = endswith(jsondecode(aws_codebuild_project.backup[0].source[0].buildspec).phases.build.commands[0], " --trust-artifacts \"$FORMER_STORE_0\" --trust-artifacts \"$FORMER_STORE_1\"")
    error_message = "The tool must read the artifacts of older runs, which are not in the server's present store."
  }
  assert {
    condition     = { for one in aws_codebuild_project.backup[0].environment[0].environment_variable : one.name => one.value if startswith(one.name, "FORMER_STORE_") } == { FORMER_STORE_0 = "s3://old-bucket/team's/", FORMER_STORE_1 = "s3://older-bucket" }
    error_message = "The command must find the stores in its variables."
  }
  assert {
    condition     = output.former_artifact_store_uris == ["s3://old-bucket/team's", "s3://older-bucket"] && aws_ssm_parameter.output["former_artifact_store_uris_1"].value == "s3://older-bucket"
    error_message = "Scripts must learn the former stores."
  }
}

run "a_backup_into_another_prefix_of_the_artifact_bucket_is_refused" {
  command = plan

  variables {
    backup = { repository = "./tests/mocks/repository", destination_uri = "s3://churn-dev-mlflow-artifacts-acme/elsewhere" }
  }

  expect_failures = [aws_iam_role.backup[0]]
}

run "backup_refuses_invalid_values" {
  command = plan

  variables {
    backup = {
      repository        = "./tests/mocks/repository"
      alarm_after_hours = 169
      package_index_url = "https://user:password@packages.example.com/simple"
      timezone          = "Berlin time"
      vpc               = { vpc_id = "vpc-1", subnet_ids = [], security_group_ids = ["sg-1"] }
    }
  }

  expect_failures = [var.backup]
}
