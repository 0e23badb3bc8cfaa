# What no single module sees.
check "monitoring_while_the_server_is_stopped" {
  assert {
    condition     = var.schedule == null || var.monitoring == null || !can(regex("^(rate\\(|cron\\([^ ]+ ([*]|0/1 |0-23 ))", var.monitoring.schedule_expression))
    error_message = "monitoring.schedule_expression is \"${try(var.monitoring.schedule_expression, "")}\", round the clock, and schedule stops the server: monitoring would fail and raise its alarm while the server is stopped. Monitor only while the server runs, such as \"cron(15 9-19 ? * MON-FRI *)\", and set monitoring.alarm_after_hours to more hours than the server is stopped (168 at most)."
  }
}
