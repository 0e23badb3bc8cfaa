# The monitoring job. tests/terraform checks its roles' policies on a real plan.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  artifact_store_uri = "s3://churn-dev-mlflow-artifacts-acme"

  former_artifact_store_uris = ["s3://old-bucket/mlflow/", "s3://older-bucket"]

  tracking_server = {
    name           = "churn-dev-3-0"
    mlflow_version = "3.0"
  }
  monitoring = {
    image_uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/churn-dev-serving:1a2b"
    arguments = ["--threshold", "accuracy=0.9"]
  }
}

run "scheduler_creates_a_job_with_a_new_name_each_time" {
  command = apply

  assert {
    condition     = strcontains(aws_scheduler_schedule.monitoring[0].target[0].input, "\"ProcessingJobName\":\"churn-dev-monitor-<aws.scheduler.execution-id>\"")
    error_message = "Scheduler replaces the attribute only if it is not escaped."
  }
  assert {
    condition     = jsondecode(aws_scheduler_schedule.monitoring[0].target[0].input).AppSpecification.ContainerArguments == ["run", "--env=dev", "--threshold", "accuracy=0.9"]
    error_message = "The job must run the given options."
  }
  assert {
    condition     = alltrue([for value in values(jsondecode(aws_scheduler_schedule.monitoring[0].target[0].input).Environment) : length(value) <= 256])
    error_message = "CreateProcessingJob takes at most 256 characters per variable."
  }
  assert {
    condition     = jsondecode(aws_scheduler_schedule.monitoring[0].target[0].input).Environment.PLATFORM_OUTPUT_former_artifact_store_uris_0 == "s3://old-bucket/mlflow"
    error_message = "The job must read the training rows of older runs."
  }
  assert {
    condition     = toset(keys(aws_s3_object.monitoring_tool)) == toset(["run.py", "tool.json.gz"])
    error_message = "The job needs its code, and the program that unpacks it."
  }
}

run "without_monitoring_nothing_of_it_is_made" {
  command = plan

  variables {
    monitoring = null
  }

  assert {
    condition     = length(aws_scheduler_schedule.monitoring) + length(aws_iam_role.monitoring) + length(aws_cloudwatch_metric_alarm.monitoring) + length(aws_s3_object.monitoring_tool) == 0
    error_message = "Monitoring must be optional."
  }
}

run "monitoring_without_a_tracking_server_is_refused" {
  command = plan

  variables {
    tracking_server = null
  }

  expect_failures = [aws_scheduler_schedule.monitoring]
}

run "an_image_without_a_tag_and_a_bad_schedule_are_refused" {
  command = plan

  variables {
    monitoring = {
      image_uri           = "python:3.12"
      schedule_expression = "hourly"
    }
  }

  expect_failures = [var.monitoring]
}

run "a_schedule_by_both_days_is_refused" {
  command = plan

  variables {
    monitoring = {
      image_uri           = "111122223333.dkr.ecr.us-east-1.amazonaws.com/churn-dev-serving:1a2b3c"
      schedule_expression = "cron(15 * * * * *)"
    }
  }

  expect_failures = [var.monitoring]
}

run "runs_that_are_rarer_than_the_alarm_get_a_warning" {
  command = plan

  variables {
    monitoring = {
      image_uri           = "111122223333.dkr.ecr.us-east-1.amazonaws.com/churn-dev-serving:1a2b3c"
      schedule_expression = "rate(7 days)"
      alarm_after_hours   = 168
    }
  }

  expect_failures = [check.hours_between_monitoring]
}

run "a_prefix_that_makes_the_schedules_role_too_long_is_refused" {
  command = plan

  variables {
    project_name       = "churn-7890"
    global_name_prefix = "a-prefix-of-thirty-characters-"
  }

  expect_failures = [aws_iam_role.monitoring_schedule[0]]
}
