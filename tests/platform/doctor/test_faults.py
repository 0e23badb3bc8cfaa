"""The doctor names every fault that is planted in localaws, and finds nothing wrong before it is planted."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlflow_platform.doctor import access, endpoints, operations, roles, server, storage
from mlflow_platform.doctor.diagnosis import diagnose, run_check
from tests.platform.doctor.planting import (
    ACCOUNT,
    NAME,
    OTHER_POLICY,
    POLICY,
    context_of,
    expect_failure,
    resource,
)
from tests.support.running import TRUST, RunningLocalAws, settled, tracking_server


@pytest.mark.parametrize("fault", ["mutable tags", "missing"])
def test_names_a_changed_image_repository(localaws: RunningLocalAws, fault: str) -> None:
    ecr, name = localaws.client("ecr"), f"{NAME}-{fault.replace(' ', '-')}"
    ecr.create_repository(
        repositoryName=name, imageTagMutability="IMMUTABLE", imageScanningConfiguration={"scanOnPush": True}
    )
    deployed = resource(
        "aws_ecr_repository",
        name=name,
        image_tag_mutability="IMMUTABLE",
        image_scanning_configuration=[{"scan_on_push": True}],
    )
    plant, words = {
        "mutable tags": (
            lambda: ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="MUTABLE"),
            "are MUTABLE",
        ),
        "missing": (lambda: ecr.delete_repository(repositoryName=name), "does not exist"),
    }[fault]
    expect_failure(storage.repository, context_of(localaws, deployed), plant, words)


@pytest.mark.parametrize("fault", ["trust", "boundary", "policy", "policy missing", "detached", "role missing"])
def test_names_a_changed_role(localaws: RunningLocalAws, fault: str) -> None:
    iam, name = localaws.client("iam"), f"{NAME}-{fault.replace(' ', '-')}"
    trust = json.dumps(TRUST)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName=name, PolicyName="Access", PolicyDocument=POLICY)
    arn = iam.create_policy(PolicyName=f"{name}-attached", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    context = context_of(
        localaws,
        resource("aws_iam_role_policy_attachment", role=name, policy_arn=arn),
        resource("aws_iam_role", name=name, assume_role_policy=trust),
        resource("aws_iam_role_policy", role=name, name="Access", policy=POLICY),
    )

    def remove() -> None:
        iam.delete_role_policy(RoleName=name, PolicyName="Access")
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)
        iam.delete_role(RoleName=name)

    other = trust.replace("sagemaker.", "ec2.")
    plant, words = {
        "trust": (lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=other), "trust policy of"),
        "boundary": (
            lambda: iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=arn),
            f"the permissions boundary of {name} is {arn}",
        ),
        "policy": (
            lambda: iam.put_role_policy(RoleName=name, PolicyName="Access", PolicyDocument=OTHER_POLICY),
            "was changed",
        ),
        "policy missing": (lambda: iam.delete_role_policy(RoleName=name, PolicyName="Access"), "is missing"),
        "detached": (lambda: iam.detach_role_policy(RoleName=name, PolicyArn=arn), "is not attached to role"),
        "role missing": (remove, "does not exist"),
    }[fault]
    expect_failure(roles.roles, context, plant, words)


def test_names_a_changed_managed_policy(localaws: RunningLocalAws) -> None:
    iam, name = localaws.client("iam"), f"{NAME}-managed"
    arn = iam.create_policy(PolicyName=name, PolicyDocument=POLICY)["Policy"]["Arn"]
    deployed = resource("aws_iam_policy", name=name, arn=arn, policy=POLICY)
    expect_failure(
        roles.policies,
        context_of(localaws, deployed),
        lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=OTHER_POLICY, SetAsDefault=True),
        f"the policy {name} was changed",
    )


@pytest.mark.parametrize("fault", ["disabled", "other time", "other zone", "other input", "missing"])
def test_names_a_changed_schedule(localaws: RunningLocalAws, fault: str) -> None:
    scheduler, name = localaws.client("scheduler"), f"{NAME}-{fault.replace(' ', '-')}"
    role = f"{name}-schedule"
    trust = json.dumps(TRUST).replace("sagemaker.", "scheduler.")
    localaws.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=trust)
    target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:stopMlflowTrackingServer",
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{role}",
        "Input": '{"TrackingServerName": "a"}',
    }
    given: dict[str, Any] = {
        "Name": name,
        "ScheduleExpression": "cron(0 7 ? * MON-FRI *)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
    }
    scheduler.create_schedule(**given, State="ENABLED")
    deployed = resource(
        "aws_scheduler_schedule",
        name=name,
        group_name="default",
        state="ENABLED",
        schedule_expression="cron(0 7 ? * MON-FRI *)",
        schedule_expression_timezone="UTC",
        target=[{"arn": target["Arn"], "input": target["Input"]}],
    )
    later = given | {"ScheduleExpression": "cron(0 9 ? * MON-FRI *)"}
    elsewhere = given | {"ScheduleExpressionTimezone": "Asia/Tokyo"}
    another = given | {"Target": target | {"Input": '{"TrackingServerName": "b"}'}}
    plant, words = {
        "disabled": (lambda: scheduler.update_schedule(**given, State="DISABLED"), "is DISABLED"),
        "other time": (lambda: scheduler.update_schedule(**later, State="ENABLED"), "runs at cron(0 9"),
        "other zone": (lambda: scheduler.update_schedule(**elsewhere, State="ENABLED"), "(Asia/Tokyo)"),
        "other input": (lambda: scheduler.update_schedule(**another, State="ENABLED"), "calls with another input"),
        "missing": (lambda: scheduler.delete_schedule(Name=name), "does not exist"),
    }[fault]
    expect_failure(operations.schedules, context_of(localaws, deployed), plant, words)


def test_names_the_queue_of_calls_that_failed(localaws: RunningLocalAws) -> None:
    sqs = localaws.client("sqs")
    url = sqs.create_queue(QueueName=f"{NAME}-failures")["QueueUrl"]
    deployed = resource("aws_sqs_queue", name=f"{NAME}-failures", url=url)
    expect_failure(
        operations.failures,
        context_of(localaws, deployed),
        lambda: sqs.send_message(QueueUrl=url, MessageBody="{}"),
        f"1 in {NAME}-failures",
    )
    # A message that was just received is still there.
    assert sqs.receive_message(QueueUrl=url)["Messages"]
    assert operations.failures(context_of(localaws, deployed)).status == "fail"


@pytest.mark.parametrize("fault", ["in alarm", "actions off", "not notified", "missing"])
def test_names_an_alarm(localaws: RunningLocalAws, fault: str) -> None:
    cloudwatch, name = localaws.client("cloudwatch"), f"{NAME}-{fault.replace(' ', '-')}"
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:{NAME}"
    given: dict[str, Any] = {
        "AlarmName": name,
        "MetricName": "Errors",
        "Namespace": "Test",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "AlarmDescription": "The backup failed.",
    }
    cloudwatch.put_metric_alarm(**given, AlarmActions=[topic])
    plant, words = {
        "in alarm": (
            lambda: cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test"),
            "The backup failed.",
        ),
        "actions off": (lambda: cloudwatch.disable_alarm_actions(AlarmNames=[name]), "are off"),
        "not notified": (lambda: cloudwatch.put_metric_alarm(**given), f"no longer notifies {topic}"),
        "missing": (lambda: cloudwatch.delete_alarms(AlarmNames=[name]), "does not exist"),
    }[fault]
    deployed = resource("aws_cloudwatch_metric_alarm", alarm_name=name, alarm_actions=[topic])
    expect_failure(operations.alarms, context_of(localaws, deployed), plant, words)


def test_warns_of_notifications_without_a_confirmed_subscriber(localaws: RunningLocalAws) -> None:
    arn = localaws.client("sns").create_topic(Name=f"{NAME}-events")["TopicArn"]
    found = operations.notifications(context_of(localaws, resource("aws_sns_topic", name="events", arn=arn)))
    assert found.status == "warn"
    assert "has no confirmed subscriber" in found.detail


def test_names_a_changed_parameter(localaws: RunningLocalAws) -> None:
    ssm, name = localaws.client("ssm"), f"/{NAME}/staging/mlflow_version"
    ssm.put_parameter(Name=name, Value="3.0", Type="String")
    deployed = resource("aws_ssm_parameter", name=name, value="3.0")
    expect_failure(
        operations.parameters,
        context_of(localaws, deployed),
        lambda: ssm.put_parameter(Name=name, Value="2.16", Type="String", Overwrite=True),
        name,
    )


def test_names_faults_of_a_tracking_server(localaws: RunningLocalAws) -> None:
    arn = tracking_server(localaws, NAME)
    sagemaker = localaws.client("sagemaker")
    seen = sagemaker.describe_mlflow_tracking_server(TrackingServerName=NAME)
    deployed = resource(
        "aws_sagemaker_mlflow_tracking_server",
        tracking_server_name=NAME,
        mlflow_version=seen["MlflowVersion"],
        tracking_server_size=seen["TrackingServerSize"],
        role_arn=seen["RoleArn"],
        artifact_store_uri=seen["ArtifactStoreUri"],
        automatic_model_registration=False,
    )
    context = context_of(localaws, deployed)
    assert context.environment.server.arn == arn
    expect_failure(
        server.settings,
        context,
        lambda: (
            sagemaker.update_mlflow_tracking_server(TrackingServerName=NAME, AutomaticModelRegistration=True),
            settled(localaws, NAME),
        ),
        "AutomaticModelRegistration is True, Terraform set False",
    )
    assert server.ui_link(context).status == "pass"
    expect_failure(
        server.state,
        context,
        lambda: (sagemaker.stop_mlflow_tracking_server(TrackingServerName=NAME), settled(localaws, NAME)),
        f"{NAME} is Stopped",
    )
    assert server.ui_link(context).status == server.api(context).status == "skip"
    sagemaker.delete_mlflow_tracking_server(TrackingServerName=NAME)
    settled(localaws, NAME)
    assert server.state(context).detail == f"The tracking server {NAME} does not exist."


@pytest.mark.parametrize(("seen", "status"), [("3.1", "pass"), ("3.1.4", "pass"), ("3.10", "fail")])
def test_a_longer_version_is_another_one(localaws: RunningLocalAws, seen: str, status: str) -> None:
    described = {"TrackingServerStatus": "Created", "MlflowVersion": seen}
    context = context_of(
        localaws, resource("aws_sagemaker_mlflow_tracking_server", tracking_server_name=NAME, mlflow_version="3.1")
    )
    context._clients["sagemaker"] = SimpleNamespace(
        exceptions=SimpleNamespace(ClientError=ClientError), describe_mlflow_tracking_server=lambda **_: described
    )
    assert server.settings(context).status == status


def test_names_credentials_of_another_account_and_skips_the_rest(localaws: RunningLocalAws) -> None:
    findings = diagnose(context_of(localaws, account="999999999999"))
    assert findings[0].check == "credentials"
    assert findings[0].status == "fail"
    assert "account 999999999999" in findings[0].detail
    assert {one.status for one in findings if one.check in {"bucket", "tracking server", "clock"}} == {"skip"}


def test_names_credentials_that_aws_refuses(localaws: RunningLocalAws) -> None:
    context = context_of(localaws)
    context._clients["sts"] = localaws.client("sts", aws_access_key_id="AKIAUNKNOWNUNKNOWN00")
    found = diagnose(context)[0]
    assert (found.check, found.status) == ("credentials", "fail")
    assert "AWS refuses these credentials" in found.detail


@pytest.mark.parametrize(("skew", "status"), [(0, "pass"), (-120, "warn"), (400, "fail"), (-400, "fail")])
def test_names_a_wrong_clock(localaws: RunningLocalAws, skew: int, status: str) -> None:
    context = context_of(localaws, now=lambda: datetime.now(UTC) + timedelta(seconds=skew))
    assert access.clock(context).status == status


def test_names_tools_that_do_not_fit(localaws: RunningLocalAws) -> None:
    assert access.mlflow_client(context_of(localaws, mlflow_version="2.16")).status == "fail"
    assert (
        access.mlflow_client(context_of(localaws, mlflow_version="2.16", versions=lambda _: "2.16.2")).status == "pass"
    )
    assert access.plugin(context_of(localaws, versions=lambda _: None)).status == "fail"
    assert access.terraform(context_of(localaws, terraform_version="1.10.9")).status == "fail"
    assert access.terraform(context_of(localaws, terraform_version="1.12.0")).status == "pass"
    assert access.terraform(context_of(localaws, terraform_version=None)).status == "warn"
    assert access.region(context_of(localaws, environ={"AWS_REGION": "eu-west-1"})).status == "warn"
    both = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert "AWS_DEFAULT_REGION is eu-west-1" in access.region(context_of(localaws, environ=both)).detail
    both["AWS_DEFAULT_REGION"] = "us-east-1"
    assert access.region(context_of(localaws, environ=both)).status == "pass"


class Builds:
    """CodeBuild's answers about one project's builds."""

    def __init__(self, *builds: dict[str, Any]) -> None:
        self._builds = list(builds)

    def batch_get_projects(self, names: list[str]) -> dict[str, Any]:
        return {"projects": [{"name": name} for name in names]}

    def list_builds_for_project(self, **_: Any) -> dict[str, Any]:
        return {"ids": [build["id"] for build in self._builds]}

    def batch_get_builds(self, **_: Any) -> dict[str, Any]:
        return {"builds": self._builds}


def build(status: str, hours: float) -> dict[str, Any]:
    """A build that ended so many hours ago."""
    ended = datetime.now(UTC) - timedelta(hours=hours)
    return {"id": f"{status}-{hours}", "buildStatus": status, "startTime": ended, "endTime": ended}


@pytest.mark.parametrize(
    ("builds", "status"),
    [
        ([build("SUCCEEDED", 3), build("FAILED", 27)], "pass"),
        ([build("FAILED", 3), build("SUCCEEDED", 27)], "fail"),
        ([build("SUCCEEDED", 30)], "fail"),
        ([build("IN_PROGRESS", 0), build("SUCCEEDED", 20)], "pass"),
        ([], "warn"),
    ],
)
def test_names_a_backup_that_failed_or_is_too_old(
    localaws: RunningLocalAws, builds: list[dict[str, Any]], status: str
) -> None:
    context = context_of(localaws, resource("aws_codebuild_project", name=f"{NAME}-backup"))
    context._clients["codebuild"] = Builds(*builds)
    assert operations.backups(context).status == status


@pytest.mark.parametrize(("hours", "status"), [(8, "fail"), (168, "pass")])
def test_a_backup_may_be_as_old_as_the_alarm_allows(localaws: RunningLocalAws, hours: int, status: str) -> None:
    name = f"{NAME}-backup"
    alarm = resource("aws_cloudwatch_metric_alarm", alarm_name=f"{name}-missing", evaluation_periods=hours)
    context = context_of(localaws, resource("aws_codebuild_project", name=name), alarm)
    context._clients["codebuild"] = Builds(build("SUCCEEDED", 20 if hours < 20 else 100))
    assert operations.backups(context).status == status


class Endpoints:
    """SageMaker's answers about one endpoint."""

    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(self, **described: Any) -> None:
        self._described = {"EndpointName": "iris", **described}

    def get_paginator(self, operation: str) -> Any:
        pages = {
            "list_endpoints": {"Endpoints": [{"EndpointName": "iris", "EndpointArn": "arn"}]},
            "list_tags": {"Tags": [{"Key": "project", "Value": "doctor"}, {"Key": "environment", "Value": "staging"}]},
        }
        return type("Paginator", (), {"paginate": lambda _self, **_given: [pages[operation]]})()

    def describe_endpoint(self, **_: Any) -> dict[str, Any]:
        return self._described


@pytest.mark.parametrize(
    ("described", "status", "words"),
    [
        ({"EndpointStatus": "InService"}, "pass", "1 in service"),
        ({"EndpointStatus": "Failed", "FailureReason": "No capacity."}, "fail", "iris is Failed (No capacity)"),
        ({"EndpointStatus": "InService", "FailureReason": "x"}, "fail", "the last update of iris failed (x)"),
        ({"EndpointStatus": "Updating"}, "warn", "a change is in progress"),
        (
            {
                "EndpointStatus": "InService",
                "ProductionVariants": [{"VariantName": "A", "DesiredInstanceCount": 2, "CurrentInstanceCount": 1}],
            },
            "fail",
            "runs 1 of 2 instances",
        ),
    ],
)
def test_names_an_endpoint_that_does_not_serve(
    localaws: RunningLocalAws, described: dict[str, Any], status: str, words: str
) -> None:
    context = context_of(localaws)
    context._clients["sagemaker"] = Endpoints(**described)
    found = endpoints.endpoints(context)
    assert found.status == status
    assert words in found.detail


def test_endpoints_whose_tags_may_not_be_read_are_a_warning(localaws: RunningLocalAws) -> None:
    class Shared(Endpoints):
        def get_paginator(self, operation: str) -> Any:
            if operation == "list_tags":
                raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "ListTags")
            return super().get_paginator(operation)

    context = context_of(localaws)
    context._clients["sagemaker"] = Shared(EndpointStatus="Failed")
    found = endpoints.endpoints(context)
    assert (found.status, "The tags of iris cannot be read" in found.detail) == ("warn", True)


def test_an_unexpected_error_is_a_finding_of_its_check(localaws: RunningLocalAws) -> None:
    class Broken:
        def get_account_summary(self) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetAccountSummary")

    context = context_of(localaws)
    context._clients["iam"] = Broken()
    found = run_check(context, "quotas", roles.quotas)
    assert (found.status, found.detail) == ("fail", "AWS denies GetAccountSummary: no.")


def test_comparisons_are_skipped_without_terraforms_state(localaws: RunningLocalAws) -> None:
    found = run_check(context_of(localaws, state=None), "roles", roles.roles)
    assert (found.status, found.detail) == ("skip", "Terraform's state cannot be read.")
