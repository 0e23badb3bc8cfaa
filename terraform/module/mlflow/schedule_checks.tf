# Finds a backup or a maintenance window while the schedule has stopped the server. Only plain cron expressions are compared: a fixed minute
# and hour, and days of the week. A backup is compared if it is in the schedule's time zone, a maintenance window if the schedule is in UTC:
# Terraform knows no offsets of time zones. A check warns about what is not compared.
locals {
  backup_time_zone = coalesce(try(var.backup.timezone, null), try(var.schedule.time_zone, null), "UTC")

  weekdays = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]

  compared_times = {
    start       = try(var.schedule.start, "")
    stop        = try(var.schedule.stop, "")
    backup      = local.backup_time_zone == try(var.schedule.time_zone, null) ? try(var.backup.schedule_expression, "") : ""
    maintenance = try(var.schedule.time_zone == "UTC", false) ? local.maintenance_expression : ""
    any_backup  = try(var.backup.schedule_expression, "")
  }

  # "Tue:03:30" as a cron expression.
  maintenance_parts      = split(":", coalesce(var.weekly_maintenance_window_start, "::"))
  maintenance_expression = var.weekly_maintenance_window_start == null ? "" : "cron(${tonumber(local.maintenance_parts[2])} ${tonumber(local.maintenance_parts[1])} ? * ${upper(local.maintenance_parts[0])} *)"

  # Minute, hour and days of each expression; empty for an expression of another form.
  plain_times = {
    for name, expression in local.compared_times : name => try(
      regex("^CRON\\((?P<minute>[0-9]+) (?P<hour>[0-9]+) (?:\\*|\\?) \\* (?P<days>[A-Z0-9,*?-]+) \\*\\)$", upper(expression)), null
    )
  }

  # The same in minutes since Sunday 0:00.
  week_minutes = {
    for name, time in local.plain_times : name => time == null ? [] : [
      for day in range(7) : day * 1440 + tonumber(time.hour) * 60 + tonumber(time.minute)
      if contains(["*", "?"], time.days) || anytrue([
        for part in split(",", time.days) : try(
          (index(local.weekdays, part) == day),
          (tonumber(part) == day + 1),
          # From one day to another, which may be past the end of the week.
          (day - index(local.weekdays, split("-", part)[0]) + 7) % 7 <= (index(local.weekdays, split("-", part)[1]) - index(local.weekdays, split("-", part)[0]) + 7) % 7,
          (day + 1 - tonumber(split("-", part)[0]) + 7) % 7 <= (tonumber(split("-", part)[1]) - tonumber(split("-", part)[0]) + 7) % 7,
          false,
        )
      ])
    ]
  }

  # The most hours between two backups of a plain expression; 0 for another.
  hours_between_backups = length(local.week_minutes.any_backup) == 0 ? 0 : max([
    for number, time in local.week_minutes.any_backup :
    (local.week_minutes.any_backup[(number + 1) % length(local.week_minutes.any_backup)] - time + 10079) % 10080 + 1
  ]...) / 60

  # A time is in the stopped hours if the last stop before it is later than the last start: both as minutes before it, over the week's end.
  times_while_stopped = {
    for name in ["backup", "maintenance"] : name => length(local.week_minutes.start) == 0 || length(local.week_minutes.stop) == 0 ? [] : [
      for time in local.week_minutes[name] : time
      if min([for stop in local.week_minutes.stop : (time - stop + 10080) % 10080]...) < min([for start in local.week_minutes.start : (time - start + 10080) % 10080]...)
    ]
  }

  is_compared = {
    for name in ["backup", "maintenance"] : name => alltrue([for compared in ["start", "stop", name] : length(local.week_minutes[compared]) > 0])
  }

  # The first of them, to name in the message, such as "MON 02:30".
  first_while_stopped = {
    for name, times in local.times_while_stopped : name => length(times) == 0 ? "" : format(
      "%s %02d:%02d", local.weekdays[floor(times[0] / 1440)], floor(times[0] % 1440 / 60), times[0] % 60
    )
  }
}

check "hours_between_backups" {
  assert {
    condition     = local.hours_between_backups < try(var.backup.alarm_after_hours, 169)
    error_message = "Up to ${local.hours_between_backups} hours are between two backups of backup.schedule_expression, and backup.alarm_after_hours is ${try(var.backup.alarm_after_hours, 26)}, so the alarm for a missing backup is raised every week. Set alarm_after_hours to more hours than are between two backups (168 at most), or back up more often."
  }
}

check "times_that_cannot_be_compared" {
  assert {
    condition     = !local.has_schedule || var.weekly_maintenance_window_start == null || local.is_compared.maintenance
    error_message = "weekly_maintenance_window_start is ${coalesce(var.weekly_maintenance_window_start, "null")} in UTC, and the plan cannot tell whether schedule has stopped the server then: it compares only schedules in UTC with one time a day and days of the week. Choose a time at which the server runs, in summer and in winter, or null to let AWS choose."
  }

  assert {
    condition     = !local.has_schedule || var.backup == null || local.is_compared.backup
    error_message = "backup.schedule_expression is ${try(var.backup.schedule_expression, "null")} in ${local.backup_time_zone}, and the plan cannot tell whether schedule has stopped the server then, so that the backup would fail: it compares only cron expressions with one time a day and days of the week, in the time zone of schedule. Make sure that the server runs at each backup."
  }
}
