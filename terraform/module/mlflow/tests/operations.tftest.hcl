# The schedule and the published parameters, and the preconditions of parameters, budget and backup.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "a_schedule_starts_and_stops_the_server_and_outputs_are_published" {
  variables {
    schedule = {
      start     = "cron(0 8 ? * MON-FRI *)"
      stop      = "cron(30 19 ? * MON-FRI *)"
      time_zone = "Europe/Berlin"
    }
  }

  assert {
    condition = { for key, schedule in aws_scheduler_schedule.this : key => [schedule.name, schedule.schedule_expression, schedule.target[0].arn] } == {
      "3.0/start" = ["churn-dev-3-0-start", "cron(0 8 ? * MON-FRI *)", aws_sfn_state_machine.start_stop[0].arn]
      "3.0/stop"  = ["churn-dev-3-0-stop", "cron(30 19 ? * MON-FRI *)", aws_sfn_state_machine.start_stop[0].arn]
    }
    error_message = "There must be one schedule that starts and one that stops the server, with the state machine."
  }
  assert {
    condition     = alltrue([for key, schedule in aws_scheduler_schedule.this : schedule.schedule_expression_timezone == "Europe/Berlin" && jsondecode(schedule.target[0].input) == { Action = split("/", key)[1], TrackingServerName = "churn-dev-3-0" }])
    error_message = "Both schedules must name their action, this server and the given time zone."
  }
  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.target[0].dead_letter_config[0].arn == aws_sqs_queue.schedule_failures[0].arn && schedule.target[0].retry_policy[0].maximum_retry_attempts > 0])
    error_message = "A failed call must be retried, and then kept in the queue."
  }
  assert {
    condition = (
      jsondecode(aws_sfn_state_machine.start_stop[0].definition).States["Keep failure"].Parameters.QueueUrl == aws_sqs_queue.schedule_failures[0].url &&
      aws_cloudwatch_metric_alarm.start_stop_failed[0].dimensions.StateMachineArn == local.start_stop_arn
    )
    error_message = "A failure must be kept in the queue, and a failed execution must raise an alarm."
  }
  assert {
    condition     = output.parameter_path == "/churn/dev" && aws_ssm_parameter.output["mlflow_tracking_uri"].name == "/churn/dev/mlflow_tracking_uri" && aws_ssm_parameter.output["mlflow_tracking_uri"].value == output.mlflow_tracking_uri
    error_message = "Each parameter must have the name and value of its output."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.schedule_failed[0].threshold == 0 && length(coalesce(aws_cloudwatch_metric_alarm.schedule_failed[0].alarm_actions, [])) == 0
    error_message = "One failed call must raise the alarm, also without notifications."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.schedule_dlq_undeliverable[0].dimensions == tomap({ ScheduleGroup = aws_scheduler_schedule_group.this[0].name }) && aws_cloudwatch_metric_alarm.schedule_dlq_undeliverable[0].threshold == 0
    error_message = "A failed call that did not reach the queue must raise the other alarm."
  }
}

run "a_backup_or_maintenance_window_while_the_server_is_stopped_is_refused" {
  command = plan

  variables {
    schedule                        = { start = "cron(0 7 ? * mon-fri *)", stop = "cron(0 20 ? * MON-FRI *)" }
    weekly_maintenance_window_start = "Tue:03:30"
    backup                          = { repository = "./tests/mocks/repository" }
  }

  assert {
    condition     = local.first_while_stopped.backup == "SUN 02:30" && local.first_while_stopped.maintenance == "TUE 03:30"
    error_message = "Got ${jsonencode(local.first_while_stopped)}"
  }

  expect_failures = [aws_scheduler_schedule_group.this[0]]
}

run "a_backup_and_a_maintenance_window_while_the_server_runs_are_accepted" {
  command = plan

  variables {
    schedule                        = { start = "cron(0 7 ? * 2-6 *)", stop = "cron(0 20 ? * MON,TUE,WED,THU,FRI *)" }
    weekly_maintenance_window_start = "Fri:19:59"
    backup                          = { repository = "./tests/mocks/repository", schedule_expression = "cron(0 7 ? * MON-FRI *)", alarm_after_hours = 73 }
  }

  assert {
    condition     = length(local.week_minutes.start) == 5 && local.times_while_stopped == { backup = [], maintenance = [] }
    error_message = "Got ${jsonencode(local.times_while_stopped)}"
  }
}

run "an_alarm_that_a_weekend_without_backups_raises_and_more_policies_than_the_default_quota_cause_a_warning" {
  command = plan

  variables {
    backup                   = { repository = "./tests/mocks/repository", schedule_expression = "cron(0 7 ? * MON-FRI *)", alarm_after_hours = 72 }
    additional_role_policies = { for number in range(11) : number => "arn:aws:iam::111122223333:policy/p${number}" }
  }

  assert {
    condition     = local.hours_between_backups == 72
    error_message = "From Friday to Monday are 72 hours, not ${local.hours_between_backups}."
  }

  expect_failures = [check.hours_between_backups, check.policies_of_the_servers_role]
}

run "only_the_nights_on_which_the_server_is_stopped_are_refused" {
  command = plan

  # From Saturday evening to Monday morning: the backup of Sunday is refused, the others are not.
  variables {
    schedule = { start = "cron(0 1 ? * MON *)", stop = "cron(0 20 ? * SAT *)" }
    backup   = { repository = "./tests/mocks/repository" }
  }

  assert {
    condition     = join(" ", local.times_while_stopped.backup) == "150"
    error_message = "Got ${jsonencode(local.times_while_stopped)}"
  }

  expect_failures = [aws_scheduler_schedule_group.this[0]]
}

run "a_backup_is_in_the_time_zone_of_the_schedule_and_a_window_in_utc_causes_a_warning" {
  command = plan

  variables {
    schedule                        = { start = "cron(0 7 ? * MON-FRI *)", stop = "cron(0 20 ? * MON-FRI *)", time_zone = "Europe/Berlin" }
    weekly_maintenance_window_start = "Tue:03:30"
    backup                          = { repository = "./tests/mocks/repository" }
  }

  assert {
    condition     = aws_scheduler_schedule.backup[0].schedule_expression_timezone == "Europe/Berlin" && local.first_while_stopped.backup == "SUN 02:30"
    error_message = "Got ${jsonencode(local.first_while_stopped)}"
  }

  expect_failures = [aws_scheduler_schedule_group.this[0], check.times_that_cannot_be_compared]
}

run "a_backup_in_another_time_zone_causes_a_warning" {
  command = plan

  variables {
    schedule = { start = "cron(0 7 ? * MON-FRI *)", stop = "cron(0 20 ? * MON-FRI *)", time_zone = "Europe/Berlin" }
    backup   = { repository = "./tests/mocks/repository", timezone = "UTC" }
  }

  assert {
    condition     = aws_scheduler_schedule.backup[0].schedule_expression_timezone == "UTC" && local.first_while_stopped.backup == ""
    error_message = "Got ${jsonencode(local.first_while_stopped)}"
  }

  expect_failures = [check.times_that_cannot_be_compared]
}

run "expressions_of_another_form_are_not_compared_and_cause_a_warning" {
  command = plan

  variables {
    schedule                        = { start = "cron(0 7 ? * MON-FRI *)", stop = "cron(0 12,20 ? * MON-FRI *)" }
    weekly_maintenance_window_start = null
    backup                          = { repository = "./tests/mocks/repository", schedule_expression = "cron(30 2 * * ? *)" }
  }

  assert {
    condition     = local.times_while_stopped == { backup = [], maintenance = [] }
    error_message = "Got ${jsonencode(local.times_while_stopped)}"
  }

  expect_failures = [check.times_that_cannot_be_compared]
}

run "a_budget_without_notifications_or_tag_a_reserved_parameter_name_a_backup_without_sources_and_a_useless_key_are_refused" {
  command = plan
  variables {
    project_name       = "aws-churn"
    monthly_budget_usd = 500
    backup             = { repository = "./tests" }
    tags               = { project = "churn" }

    replication = {
      bucket_arn  = "arn:aws:s3:::acme-copies"
      kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    }
  }

  expect_failures = [
    aws_budgets_budget.monthly,
    aws_s3_bucket_replication_configuration.artifacts[0],
    aws_s3_object.backup_tool[0],
    aws_ssm_parameter.output,
    check.tag_of_the_budget,
  ]
}
