# The keys of the artifacts and of the notifications.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme"
}

run "new_keys_encrypt_the_bucket_and_the_topic_and_rotate" {
  variables {
    kms                = { create = true, deletion_window_days = 7 }
    schedule           = { start = "cron(0 8 ? * MON-FRI *)", stop = "cron(0 20 ? * MON-FRI *)" }
    notifications      = { emails = ["team@example.com"] }
    monthly_budget_usd = 500
    tags               = { project = "churn" }
  }

  assert {
    condition     = aws_kms_key.artifacts[0].enable_key_rotation
    error_message = "The key must rotate."
  }
  assert {
    condition     = aws_kms_alias.artifacts[0].name == "alias/churn-dev-mlflow-artifacts"
    error_message = "The key must have an alias."
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.artifacts[0].rule).apply_server_side_encryption_by_default[0].kms_master_key_id == aws_kms_key.artifacts[0].arn
    error_message = "The bucket must be encrypted with the new key."
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.artifacts[0].rule).bucket_key_enabled
    error_message = "Without a bucket key, every read is a KMS request."
  }
  assert {
    condition     = output.kms_key_arn == aws_kms_key.artifacts[0].arn
    error_message = "Clients need the key's ARN."
  }
  assert {
    condition     = aws_kms_key.artifacts[0].deletion_window_in_days == 7
    error_message = "The deletion window must be the given one."
  }
  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.schedule_expression_timezone == "UTC"])
    error_message = "Without a time zone, the schedule must be in UTC."
  }
  assert {
    condition     = aws_ssm_parameter.output["kms_key_arn"].value == output.kms_key_arn
    error_message = "A new key's ARN must be published."
  }
  assert {
    condition     = aws_sns_topic.events[0].kms_master_key_id == aws_kms_key.events[0].arn && aws_kms_key.events[0].enable_key_rotation
    error_message = "The topic must be encrypted with its own rotating key."
  }
  assert {
    condition     = aws_cloudwatch_event_target.server[0].arn == aws_sns_topic.events[0].arn && aws_sns_topic_subscription.email["team@example.com"].topic_arn == aws_sns_topic.events[0].arn
    error_message = "Events must go to the topic, and the topic must have the subscription."
  }
  assert {
    condition     = alltrue([for alarm in [aws_cloudwatch_metric_alarm.schedule_failed[0], aws_cloudwatch_metric_alarm.schedule_dlq_undeliverable[0]] : alarm.alarm_actions == toset([aws_sns_topic.events[0].arn])])
    error_message = "Both alarms of the schedule must notify the topic."
  }
  assert {
    condition     = one(aws_budgets_budget.monthly[0].cost_filter).values == tolist(["user:project$churn"])
    error_message = "The budget must count the project's tag only."
  }
  assert {
    condition     = aws_budgets_budget.monthly[0].limit_amount == "500.00"
    error_message = "The limit must be the given amount."
  }
}

run "a_role_with_a_path_is_named_by_its_whole_arn" {
  command = plan

  variables {
    kms = { create = true, administrator_arns = ["arn:aws:iam::111122223333:role/ci/terraform"] }
  }

  override_data {
    target = data.aws_iam_session_context.caller
    values = { issuer_arn = "arn:aws:iam::111122223333:role/ci/terraform" }
  }

  assert {
    condition     = local.caller_administers_key
    error_message = "The caller's role is an administrator."
  }
}

run "a_role_of_the_same_name_with_another_path_is_not_the_caller" {
  command = plan

  variables {
    kms = { create = true, administrator_arns = ["arn:aws:iam::111122223333:role/terraform"] }
  }

  override_data {
    target = data.aws_iam_session_context.caller
    values = { issuer_arn = "arn:aws:iam::111122223333:role/ci/terraform" }
  }

  expect_failures = [aws_kms_key.artifacts[0]]
}
