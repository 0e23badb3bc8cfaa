"""Checks of what runs unattended: schedules, failure queues, backups, alarms, notifications, parameters."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

from mlflow_platform.doctor.context import Context
from mlflow_platform.doctor.finding import Verdict, failed, passed, skipped, warned

# The default of `backup.alarm_after_hours` (module mlflow).
_BACKUP_HOURS = 26
_ZONE = "UTC"  # The default of EventBridge Scheduler, and of the AWS provider.
# A message that somebody has just received is invisible for some time, and still in the queue.
_MESSAGES = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


def schedules(context: Context) -> Verdict:
    """Every schedule exists, is enabled, and runs at the times that Terraform set."""
    resources = context.deployed.of_type("aws_scheduler_schedule")
    if not resources:
        return skipped("The environment has no schedule.")
    scheduler, wrong = context.client("scheduler"), []
    for resource in resources:
        name = resource["name"]
        try:
            seen = scheduler.get_schedule(Name=name, GroupName=resource["group_name"])
        except scheduler.exceptions.ResourceNotFoundException:
            wrong.append(f"the schedule {name} does not exist")
            continue
        if seen["State"] != resource["state"]:
            wrong.append(f"the schedule {name} is {seen['State']}")
        zone = seen.get("ScheduleExpressionTimezone") or _ZONE
        if (seen["ScheduleExpression"], zone) != (
            resource["schedule_expression"],
            resource["schedule_expression_timezone"] or _ZONE,
        ):
            wrong.append(f"the schedule {name} runs at {seen['ScheduleExpression']} ({zone})")
        if "EndDate" in seen and not resource["end_date"]:
            wrong.append(f"the schedule {name} ends at {seen['EndDate']}")
        target = resource["target"][0]
        if seen["Target"]["Arn"] != target["arn"]:
            wrong.append(f"the schedule {name} calls {seen['Target']['Arn']}")
        elif seen["Target"].get("Input", "") != (target.get("input") or ""):
            wrong.append(f"the schedule {name} calls with another input: {seen['Target'].get('Input', 'none')}")
    if wrong:
        return failed("; ".join(wrong) + ".", context.apply)
    return passed(f"{len(resources)} enabled")


def last_run(context: Context) -> Verdict:
    """The last start or stop by a schedule succeeded."""
    resources = context.deployed.of_type("aws_sfn_state_machine")
    if not resources:
        return skipped("No schedule starts or stops the server.")
    states, seen = context.client("stepfunctions"), []
    for resource in resources:
        name = resource["name"]
        try:
            found = states.list_executions(stateMachineArn=resource["arn"], maxResults=10)["executions"]
        except states.exceptions.StateMachineDoesNotExist:
            return failed(f"The state machine {name} does not exist.", context.apply)
        ended = sorted((one for one in found if "stopDate" in one), key=lambda one: one["stopDate"], reverse=True)
        if not ended:
            continue
        when = f"{ended[0]['stopDate'].astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        if ended[0]["status"] != "SUCCEEDED":
            return failed(
                f"The last run of {name} ended as {ended[0]['status']} at {when}.",
                f"Run `aws stepfunctions get-execution-history --execution-arn {ended[0]['executionArn']}`.",
            )
        seen.append(f"{name} succeeded at {when}")
    return passed("; ".join(seen)) if seen else skipped("No schedule has started or stopped the server yet.")


def failures(context: Context) -> Verdict:
    """No scheduled call has failed: the failure queues are empty."""
    resources = context.deployed.of_type("aws_sqs_queue")
    if not resources:
        return skipped("The environment has no failure queue.")
    sqs, wrong = context.client("sqs"), []
    for resource in resources:
        try:
            answer = sqs.get_queue_attributes(QueueUrl=resource["url"], AttributeNames=list(_MESSAGES))
        except sqs.exceptions.QueueDoesNotExist:
            return failed(f"The queue {resource['name']} does not exist, so failures are lost.", context.apply)
        count = sum(int(answer["Attributes"].get(name, 0)) for name in _MESSAGES)
        if count:
            wrong.append((resource, count))
    if wrong:
        names = ", ".join(f"{count} in {resource['name']}" for resource, count in wrong)
        return failed(
            f"Scheduled calls failed: {names}. Each message has the reason in its attribute ERROR_MESSAGE.",
            f"Run `aws sqs receive-message --message-attribute-names All --queue-url {wrong[0][0]['url']}`.",
        )
    return passed("the failure queues are empty")


def alarms(context: Context) -> Verdict:
    """Every alarm exists, has its actions on, and is not in the state ALARM."""
    resources = context.deployed.of_type("aws_cloudwatch_metric_alarm")
    if not resources:
        return skipped("The environment has no alarm.")
    names = [resource["alarm_name"] for resource in resources]
    seen: dict[str, Any] = {
        alarm["AlarmName"]: alarm
        for page in context.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNames=names)
        for alarm in page["MetricAlarms"]
    }
    missing = [f"the alarm {name} does not exist" for name in names if name not in seen]
    off = [f"the actions of {name} are off" for name, alarm in seen.items() if not alarm["ActionsEnabled"]]
    lost = [
        f"{resource['alarm_name']} no longer notifies {', '.join(sorted(gone))}"
        for resource in resources
        if (alarm := seen.get(resource["alarm_name"]))
        and (gone := set(resource["alarm_actions"] or ()) - set(alarm.get("AlarmActions", [])))
    ]
    if missing or off or lost:
        return failed("; ".join(missing + off + lost) + ".", context.apply)
    in_alarm = [alarm for alarm in seen.values() if alarm["StateValue"] == "ALARM"]
    if in_alarm:
        text = "; ".join(f"{alarm['AlarmName']}: {alarm.get('AlarmDescription', '')}" for alarm in in_alarm)
        return failed(f"In alarm: {text}", "Follow docs/guides/runbook.md.")
    return passed(f"{len(names)} set, none in alarm")


def backups(context: Context) -> Verdict:
    """The nightly backup has succeeded within the time after which the alarm for a missing backup is raised."""
    projects = [one for one in context.deployed.of_type("aws_codebuild_project") if one["name"].endswith("-backup")]
    if not projects:
        return skipped("The environment has no nightly backup.")
    name, codebuild = projects[0]["name"], context.client("codebuild")
    start = f"Run `aws codebuild start-build --project-name {name}`."
    if not codebuild.batch_get_projects(names=[name])["projects"]:
        return failed(f"The CodeBuild project {name} does not exist.", context.apply)
    ids = codebuild.list_builds_for_project(projectName=name, sortOrder="DESCENDING")["ids"][:20]
    builds = codebuild.batch_get_builds(ids=ids)["builds"] if ids else []
    builds.sort(key=lambda build: build["startTime"], reverse=True)
    done = [build for build in builds if build["buildStatus"] != "IN_PROGRESS"]
    if not done:
        return warned("No backup has been made yet.", start)
    if done[0]["buildStatus"] != "SUCCEEDED":
        log = done[0].get("logs", {}).get("deepLink", "its log in CloudWatch Logs")
        return failed(f"The last backup ended as {done[0]['buildStatus']}. See {log}.", start)
    age = context.now() - done[0]["endTime"]
    if age > _backup_age(context, name):
        return failed(f"The last backup is {age.total_seconds() / 3600:.0f} hours old.", start)
    return passed(f"the last one succeeded {age.total_seconds() / 3600:.1f} hours ago")


def _backup_age(context: Context, project: str) -> timedelta:
    """How old the last backup may be. The alarm counts the hours without a backup, as backup_schedule.tf sets them."""
    hours = [
        resource["evaluation_periods"]
        for resource in context.deployed.of_type("aws_cloudwatch_metric_alarm")
        if resource["alarm_name"] == f"{project}-missing"
    ]
    return timedelta(hours=int(hours[0] if hours else _BACKUP_HOURS))


def notifications(context: Context) -> Verdict:
    """Notifications have a subscriber."""
    topics = context.deployed.of_type("aws_sns_topic")
    if not topics:
        return skipped("The environment has no topic of its own.")
    sns = context.client("sns")
    for topic in topics:
        arn = topic["arn"]
        try:
            found = [
                one
                for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
                for one in page["Subscriptions"]
            ]
        except sns.exceptions.NotFoundException:
            return failed(f"The topic {topic['name']} does not exist.", context.apply)
        confirmed = [one for one in found if one["SubscriptionArn"].startswith("arn:")]
        if not confirmed:
            why = "Its subscriptions are not confirmed" if found else "It has no subscription"
            return warned(
                f"The topic {topic['name']} has no confirmed subscriber. {why}.",
                "Set `notifications.emails`, apply, and confirm the mail; or subscribe to the topic.",
            )
    return passed(f"{len(topics)} topic with confirmed subscriptions")


def parameters(context: Context) -> Verdict:
    """The published parameters have the values that Terraform set."""
    resources = context.deployed.of_type("aws_ssm_parameter")
    if not resources:
        return skipped("The environment publishes no parameters.")
    wanted = {resource["name"]: resource["value"] for resource in resources}
    folder = resources[0]["name"].rpartition("/")[0]
    pages = context.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=folder)
    seen = {one["Name"]: one["Value"] for page in pages for one in page["Parameters"]}
    wrong = sorted(name for name, value in wanted.items() if seen.get(name) != value)
    if wrong:
        return failed(f"Missing or changed: {', '.join(wrong)}.", context.apply)
    return passed(f"{len(wanted)} published below {folder}")
