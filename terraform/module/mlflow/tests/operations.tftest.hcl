# The schedule, the notifications, the budget and the published parameters: what each makes, and what is refused.
mock_provider "aws" {
  source = "./tests/mocks"

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:111122223333:churn-dev-mlflow-events" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:us-east-1:111122223333:churn-dev-mlflow-schedule-failures" }
  }
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "by_default_a_server_runs_day_and_night_and_tells_nobody" {
  command = plan

  assert {
    condition = 0 == sum([
      length(aws_scheduler_schedule.this),
      length(aws_sqs_queue.schedule_failures),
      length(aws_iam_role.scheduler),
      length(aws_cloudwatch_event_rule.server),
      length(aws_cloudwatch_metric_alarm.schedule_failed),
      length(aws_sns_topic.events),
      length(aws_kms_key.events),
      length(aws_budgets_budget.monthly),
    ])
    error_message = "What is paid for, or stops a server, must be asked for."
  }
  assert {
    condition     = output.notification_topic_arn == null && output.schedule_failure_queue_url == null
    error_message = "The outputs of what does not exist must be null, not errors."
  }
}

run "a_schedule_starts_and_stops_the_server_keeps_what_failed_and_outputs_are_published" {
  variables {
    schedule = {
      start     = "cron(0 8 ? * MON-FRI *)"
      stop      = "cron(30 19 ? * MON-FRI *)"
      time_zone = "Europe/Berlin"
    }
  }

  assert {
    condition = { for key, schedule in aws_scheduler_schedule.this : key => [schedule.name, schedule.schedule_expression, schedule.target[0].arn] } == {
      "3.0/start" = ["churn-dev-3-0-start", "cron(0 8 ? * MON-FRI *)", "arn:aws:scheduler:::aws-sdk:sagemaker:startMlflowTrackingServer"]
      "3.0/stop"  = ["churn-dev-3-0-stop", "cron(30 19 ? * MON-FRI *)", "arn:aws:scheduler:::aws-sdk:sagemaker:stopMlflowTrackingServer"]
    }
    error_message = "There must be one schedule that starts and one that stops, by the API's own operations."
  }
  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.schedule_expression_timezone == "Europe/Berlin" && jsondecode(schedule.target[0].input).TrackingServerName == "churn-dev-3-0"])
    error_message = "Both must mean this server, in the given time zone."
  }
  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.target[0].dead_letter_config[0].arn == aws_sqs_queue.schedule_failures[0].arn && schedule.target[0].retry_policy[0].maximum_retry_attempts > 0])
    error_message = "A call must be tried again, and kept where that does not help."
  }
  assert {
    condition     = output.parameter_path == "/churn/dev" && aws_ssm_parameter.output["mlflow_tracking_uri"].name == "/churn/dev/mlflow_tracking_uri" && aws_ssm_parameter.output["mlflow_tracking_uri"].value == output.mlflow_tracking_uri
    error_message = "Each parameter must be named like the output that it repeats."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.schedule_failed[0].threshold == 0 && length(coalesce(aws_cloudwatch_metric_alarm.schedule_failed[0].alarm_actions, [])) == 0
    error_message = "One failed call must raise the alarm, even where nobody is told of it."
  }
}

run "notifications_go_to_an_encrypted_topic_and_to_the_given_addresses" {
  variables {
    schedule       = { start = "cron(0 8 ? * MON-FRI *)", stop = "cron(0 20 ? * MON-FRI *)" }
    notifications  = { emails = ["team@example.com"] }
    create_kms_key = true
  }

  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.schedule_expression_timezone == "UTC"])
    error_message = "Without a time zone the hours must be UTC's."
  }
  assert {
    condition     = aws_ssm_parameter.output["kms_key_arn"].value == output.kms_key_arn
    error_message = "Where there is a new key, its ARN must be published."
  }
  assert {
    condition     = aws_sns_topic.events[0].kms_master_key_id == aws_kms_key.events[0].arn && aws_kms_key.events[0].enable_key_rotation
    error_message = "The topic must be encrypted with a key that its publishers may use."
  }
  assert {
    condition     = aws_cloudwatch_event_target.server[0].arn == aws_sns_topic.events[0].arn && aws_sns_topic_subscription.email["team@example.com"].topic_arn == aws_sns_topic.events[0].arn
    error_message = "Events must reach the topic, and the topic the people."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.schedule_failed[0].alarm_actions == toset([aws_sns_topic.events[0].arn])
    error_message = "A schedule that fails must be told."
  }
}

run "an_existing_topic_is_used_and_left_alone" {
  command = plan

  variables {
    notifications      = { topic_arn = "arn:aws:sns:us-east-1:111122223333:platform" }
    monthly_budget_usd = 500
  }

  assert {
    condition     = length(aws_sns_topic.events) + length(aws_sns_topic_policy.events) + length(aws_kms_key.events) == 0
    error_message = "Nothing about somebody else's topic may be managed here."
  }
  assert {
    condition     = aws_cloudwatch_event_target.server[0].arn == "arn:aws:sns:us-east-1:111122223333:platform" && output.notification_topic_arn == "arn:aws:sns:us-east-1:111122223333:platform"
    error_message = "Events must reach the given topic."
  }
  assert {
    condition     = alltrue([for notification in aws_budgets_budget.monthly[0].notification : notification.subscriber_sns_topic_arns == toset(["arn:aws:sns:us-east-1:111122223333:platform"])])
    error_message = "The budget must tell the given topic."
  }
}

run "a_budget_counts_the_project_and_parameters_can_be_left_out" {
  command = plan

  variables {
    notifications      = {}
    monthly_budget_usd = 500
    publish_parameters = false
  }

  assert {
    condition     = length(aws_ssm_parameter.output) == 0 && output.parameter_path == null
    error_message = "publish_parameters = false must publish nothing."
  }

  assert {
    condition     = one(aws_budgets_budget.monthly[0].cost_filter).values == tolist(["user:project$churn"])
    error_message = "Only what carries the project's tag may count."
  }
  assert {
    condition     = aws_budgets_budget.monthly[0].limit_amount == "500.00"
    error_message = "The limit must be the given amount."
  }
}


run "a_budget_that_nobody_hears_of_and_a_name_that_ssm_keeps_are_refused" {
  command = plan
  variables {
    project_name       = "aws-churn"
    monthly_budget_usd = 500
  }
  expect_failures = [aws_budgets_budget.monthly, aws_ssm_parameter.output]
}
