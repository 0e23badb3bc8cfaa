"""MLflow Apps: AWS's operations, calls through the sagemaker-mlflow plugin, and the pages behind a presigned link."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localaws.tracking import stacks
from tests.localaws.tracking.calls import APP_HEADER, signed_headers, track
from tests.support.http import HTTP
from tests.support.running import RunningLocalAws, role
from tests.support.waiting import eventually

REPOSITORY = Path(__file__).resolve().parents[3]
STACK = "shared-app"
UNKNOWN = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-NOBODYS"

PROTECTED = {
    "Statement": [
        {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
        {
            "Effect": "Deny",
            "Action": ["Update:Replace", "Update:Delete"],
            "Principal": "*",
            "Resource": "*",
            "Condition": {"StringEquals": {"ResourceType": [stacks.TYPE]}},
        },
    ]
}


def create(localaws: RunningLocalAws, **given: Any) -> str:
    """Create an App whose bucket does not exist, so that no process is started."""
    defaults = {"ArtifactStoreUri": "s3://no-bucket-of-an-app", "RoleArn": role(localaws, "app-role")}
    arn: str = localaws.client("sagemaker").create_mlflow_app(**{**defaults, **given})["Arn"]
    return arn


def describe(localaws: RunningLocalAws, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = localaws.client("sagemaker").describe_mlflow_app(Arn=arn)
    return found


def settle(localaws: RunningLocalAws, arn: str) -> str:
    """Return the status after the current transition; "" if the App is gone."""

    def settled() -> str | None:
        try:
            status: str = describe(localaws, arn)["Status"]
        except localaws.client("sagemaker").exceptions.ResourceNotFound:
            return "gone"
        return None if status in ("Creating", "Updating", "Deleting") else status

    return eventually(settled)


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = error.value.response["Error"]["Code"]
    return found


def test_describes_an_app_with_its_configuration(localaws: RunningLocalAws, app: str) -> None:
    found = describe(localaws, app)
    assert (found["Name"], found["MlflowVersion"]) == ("shared-app", "3.10.1")
    assert found["ArtifactStoreUri"] == "s3://shared-app-bucket"
    assert found["ModelRegistrationMode"] == "AutoModelRegistrationEnabled"
    assert found["Status"] in ("Created", "Updated")
    assert found["AccountDefaultStatus"] == "DISABLED"
    assert "KmsKeyId" not in found


def test_the_tags_of_an_app_are_its_own_and_its_stacks(localaws: RunningLocalAws, app: str) -> None:
    tags = localaws.client("sagemaker").list_tags(ResourceArn=app)["Tags"]
    assert {"Key": "team", "Value": "vision"} in tags


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"Name": "under_score"}, "at 'name' failed to satisfy constraint"),
        ({"Name": "wrong", "ModelRegistrationMode": "Yes"}, "Member must satisfy enum value set"),
        ({"Name": "wrong", "WeeklyMaintenanceWindowStart": "Tuesday:03:30"}, "2 validation errors detected"),
        ({"Name": "wrong", "RoleArn": "arn:aws:iam::123456789012:role/nobodys-role"}, "Could not assume role"),
        ({"Name": "wrong", "KmsKeyId": "11111111-2222-3333-4444-555555555555"}, "does not exist"),
    ],
)
def test_rejects_an_invalid_request(localaws: RunningLocalAws, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError) as refused:
        create(localaws, **given)
    assert code(refused) == "ValidationException"
    assert message in refused.value.response["Error"]["Message"]


def test_rejects_a_name_in_use(localaws: RunningLocalAws, app: str) -> None:
    with pytest.raises(ClientError) as refused:
        create(localaws, Name=describe(localaws, app)["Name"])
    assert code(refused) == "ConflictException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("operation", ["describe_mlflow_app", "delete_mlflow_app", "update_mlflow_app"])
def test_an_unknown_app_is_not_found(localaws: RunningLocalAws, operation: str) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(localaws.client("sagemaker"), operation)(Arn=UNKNOWN)
    assert code(refused) == "ResourceNotFound"


def test_an_app_is_unknown_in_another_region(localaws: RunningLocalAws, app: str) -> None:
    elsewhere = localaws.client("sagemaker", region_name="eu-west-1")
    with pytest.raises(ClientError) as refused:
        elsewhere.describe_mlflow_app(Arn=app)
    assert code(refused) == "ResourceNotFound"
    assert elsewhere.list_mlflow_apps()["Summaries"] == []


def test_creation_fails_without_the_bucket_and_the_app_can_be_deleted(localaws: RunningLocalAws) -> None:
    arn = create(localaws, Name="bucketless")
    assert settle(localaws, arn) == "CreateFailed"
    with pytest.raises(ClientError) as refused:
        localaws.client("sagemaker").update_mlflow_app(Arn=arn, Name="renamed")
    assert "is currently in status CREATE_FAILED, can't be updated" in str(refused.value)
    with pytest.raises(ClientError) as refused:
        localaws.client("sagemaker").create_presigned_mlflow_app_url(Arn=arn)
    assert "its UI can't be opened" in str(refused.value)
    localaws.client("sagemaker").delete_mlflow_app(Arn=arn)
    assert settle(localaws, arn) == "gone"


def test_lists_apps_by_status_and_version_in_pages(localaws: RunningLocalAws, app: str) -> None:
    arns = [create(localaws, Name=f"listed-{number}", AccountDefaultStatus="ENABLED") for number in range(3)]
    for arn in arns:
        settle(localaws, arn)
    sagemaker = localaws.client("sagemaker")
    pages = sagemaker.get_paginator("list_mlflow_apps").paginate(
        Status="CreateFailed", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    names = [one["Name"] for page in pages for one in page["Summaries"]]
    assert [name for name in names if name.startswith("listed-")] == ["listed-0", "listed-1", "listed-2"]
    assert app not in {one["Arn"] for one in sagemaker.list_mlflow_apps(Status="CreateFailed")["Summaries"]}
    assert app in {
        one["Arn"] for one in sagemaker.list_mlflow_apps(MlflowVersion="3.10.1", MaxResults=100)["Summaries"]
    }
    # An account has one default: each new one takes it over.
    assert [one["Arn"] for one in sagemaker.list_mlflow_apps(AccountDefaultStatus="ENABLED")["Summaries"]] == arns[2:]
    for arn in arns:
        sagemaker.delete_mlflow_app(Arn=arn)


def test_an_update_changes_what_it_names_and_keeps_the_rest(localaws: RunningLocalAws, app: str) -> None:
    sagemaker = localaws.client("sagemaker")
    sagemaker.update_mlflow_app(Arn=app)  # Nothing to change: the status stays.
    assert describe(localaws, app)["Status"] in ("Created", "Updated")
    sagemaker.update_mlflow_app(Arn=app, WeeklyMaintenanceWindowStart="Sun:03:00", DefaultDomainIdList=["d-a1"])
    assert settle(localaws, app) == "Updated"
    found = describe(localaws, app)
    assert found["WeeklyMaintenanceWindowStart"] == "Sun:03:00"
    assert found["ModelRegistrationMode"] == "AutoModelRegistrationEnabled"
    assert app in {one["Arn"] for one in sagemaker.list_mlflow_apps(DefaultForDomainId="d-a1")["Summaries"]}


def test_the_plugin_logs_registers_and_uses_workspaces(localaws: RunningLocalAws, app: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.localaws.tracking.app_client", app],
        cwd=REPOSITORY,
        env=localaws.environ(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_DISABLE_TELEMETRY="true"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["run"]["status"] == "FINISHED"
    assert report["run"]["params"] == {"alpha": "0.5"}
    assert report["run"]["artifact"] == "hello"
    assert report["run"]["uri"].startswith("s3://shared-app-bucket/")
    assert {"default", report["workspace"]} <= set(report["workspaces"])
    assert report["seen in default"] == []
    assert report["seen in workspace"] == ["only here"]
    packaged = eventually(lambda: _package(localaws, app, report["model"]))
    assert packaged["ModelApprovalStatus"] == "PendingManualApproval"


def test_runs_of_a_tracking_server_are_copied_into_an_app(localaws: RunningLocalAws, app: str, server: str) -> None:
    experiment = track(localaws, server, "POST", "experiments/create", {"name": "moves"}).json()["experiment_id"]
    run = track(localaws, server, "POST", "runs/create", {"experiment_id": experiment}).json()["run"]["info"]
    track(localaws, server, "POST", "runs/log-parameter", {"run_id": run["run_id"], "key": "depth", "value": "3"})
    localaws.client("s3").put_object(
        Bucket=run["artifact_uri"].split("/")[2],
        Key=f"{run['artifact_uri'].split('/', 3)[3]}/model.bin",
        Body=b"weights",
    )
    done = subprocess.run(
        [sys.executable, "scripts/transfer.py", "copy", server, app, "--experiment", "moves", "--json"],
        cwd=REPOSITORY,
        env=localaws.environ(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = track(localaws, app, "GET", "experiments/get-by-name?experiment_name=moves").json()["experiment"]
    ids = [found["experiment_id"]]
    (moved,) = track(localaws, app, "POST", "runs/search", {"experiment_ids": ids}).json()["runs"]
    assert moved["data"]["params"] == [{"key": "depth", "value": "3"}]
    bucket, key = moved["info"]["artifact_uri"].removeprefix("s3://").split("/", 1)
    assert bucket == "shared-app-bucket"
    assert localaws.client("s3").get_object(Bucket=bucket, Key=f"{key}/model.bin")["Body"].read() == b"weights"


def _package(localaws: RunningLocalAws, app: str, model: str) -> dict[str, Any] | None:
    tags = track(localaws, app, "GET", f"model-versions/get?name={model}&version=1").json()
    arn = {tag["key"]: tag["value"] for tag in tags["model_version"].get("tags", [])}.get("sagemaker.model_package_arn")
    found: dict[str, Any] | None = (
        localaws.client("sagemaker").describe_model_package(ModelPackageName=arn) if arn else None
    )
    return found


@pytest.mark.parametrize(
    ("arn", "header", "service", "status", "text"),
    [
        ("{app}", APP_HEADER, "sagemaker", 200, ""),
        ("{app}", APP_HEADER, "sagemaker-mlflow", 403, "Credential should be scoped to correct service: 'sagemaker'"),
        ("{app}", "x-mlflow-sm-tracking-server-arn", "sagemaker-mlflow", 404, "could not be found"),
        (UNKNOWN, APP_HEADER, "sagemaker", 404, "MLflow App could not be found"),
        (UNKNOWN.replace("123456789012", "210987654321"), APP_HEADER, "sagemaker", 403, "CallMlflowAppApi"),
    ],
)
def test_a_call_needs_the_apps_header_and_signing_name(
    localaws: RunningLocalAws, app: str, arn: str, header: str, service: str, status: int, text: str
) -> None:
    answer = track(
        localaws, arn.format(app=app), "GET", "experiments/get?experiment_id=0", header=header, service=service
    )
    assert answer.status_code == status
    assert text in answer.text


def test_a_call_needs_the_one_permission_of_apps(localaws: RunningLocalAws, app: str) -> None:
    path = "/api/2.0/mlflow/experiments/get?experiment_id=0&apps=permission"
    headers = signed_headers(localaws, app, "GET", path, header=APP_HEADER, service="sagemaker")
    HTTP.get(f"{localaws.url}{path}", headers=headers).raise_for_status()
    call = next(one for one in reversed(localaws.calls("CallMlflowAppApi")) if one["resource"] == app)
    assert [(one["action"], one["resource"]) for one in call["iam"]] == [("sagemaker:CallMlflowAppApi", app)]


def test_a_presigned_link_opens_the_apps_pages_once(localaws: RunningLocalAws, app: str) -> None:
    link = localaws.client("sagemaker").create_presigned_mlflow_app_url(Arn=app)["AuthorizedUrl"]
    opened = HTTP.get(link)
    assert opened.status_code == 302
    cookie = opened.headers["set-cookie"].split(";")[0]
    page = HTTP.get(f"{localaws.url}{opened.headers['location']}", headers={"cookie": cookie})
    assert page.status_code == 200
    assert "<title>MLflow</title>" in page.text
    again = HTTP.get(link)
    assert again.status_code == 403
    assert f"create-presigned-mlflow-app-url --arn {app}" in again.text


def update(localaws: RunningLocalAws, name: str, **properties: str) -> str:
    """Update a stack, and return its status and the reasons of its events."""
    body = stacks.template(localaws, name, **properties)
    localaws.client("cloudformation").update_stack(StackName=name, TemplateBody=body)
    return f"{stacks.settled(localaws, name)['StackStatus']}: {stacks.reasons(localaws, name)}"


def test_a_stack_knows_its_app(localaws: RunningLocalAws, app: str) -> None:
    found = localaws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}
    assert outputs["Ref"] == outputs["Arn"]
    assert outputs["Arn"].endswith(f":mlflow-app/{outputs['MlflowAppId']}")
    assert outputs["MlflowVersion"] == "3.10.1"
    resource = localaws.client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId="App")
    assert resource["StackResourceDetail"]["PhysicalResourceId"] == outputs["Arn"]


def test_a_changed_role_alone_cannot_replace_an_app(localaws: RunningLocalAws, app: str) -> None:
    message = update(localaws, STACK, RoleArn=role(localaws, "another-role-of-an-app"))
    assert message.startswith("UPDATE_ROLLBACK_COMPLETE")
    assert "cannot update a stack when a custom-named resource requires replacing" in message


def test_a_replacement_that_fails_keeps_the_app(localaws: RunningLocalAws, app: str) -> None:
    before = localaws.client("sagemaker").list_mlflow_apps(SortBy="Name", MaxResults=100)["Summaries"]
    localaws.fault(
        "localaws:StartMlflowApp", resource="shared-app-2", error="InternalFailure", message="no capacity", times=9
    )
    message = update(localaws, STACK, Name="shared-app-2", ArtifactStoreUri="s3://shared-app-bucket")
    assert message.startswith("UPDATE_ROLLBACK_COMPLETE")
    assert "no capacity" in message
    after = localaws.client("sagemaker").list_mlflow_apps(SortBy="Name", MaxResults=100)["Summaries"]
    assert [one["Arn"] for one in after if one["Name"] == "shared-app"] == [
        one["Arn"] for one in before if one["Name"] == "shared-app"
    ]


@pytest.fixture
def protected(localaws: RunningLocalAws, app: str) -> Iterator[None]:
    """The shared App's stack has a policy during the test; a policy cannot be removed, so it allows all afterwards."""
    cloudformation = localaws.client("cloudformation")
    cloudformation.set_stack_policy(StackName=STACK, StackPolicyBody=json.dumps(PROTECTED))
    yield
    unprotected = {"Statement": PROTECTED["Statement"][:1]}
    cloudformation.set_stack_policy(StackName=STACK, StackPolicyBody=json.dumps(unprotected))


@pytest.mark.usefixtures("protected")
def test_a_stack_policy_protects_the_app(localaws: RunningLocalAws) -> None:
    cloudformation = localaws.client("cloudformation")
    message = update(localaws, STACK, Name="shared-app-3")
    assert "Action denied by stack policy: Statement [#2] denies [Update:Replace]" in message
    without = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    cloudformation.update_stack(StackName=STACK, TemplateBody=json.dumps(without))
    assert stacks.settled(localaws, STACK)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "denies [Update:Delete]" in stacks.reasons(localaws, STACK)
    message = update(localaws, STACK, WeeklyMaintenanceWindowStart="Sat:04:00")
    assert message.startswith("UPDATE_COMPLETE")


def test_a_protected_stack_is_not_deleted(localaws: RunningLocalAws, app: str) -> None:
    cloudformation = localaws.client("cloudformation")
    cloudformation.update_termination_protection(StackName=STACK, EnableTerminationProtection=True)
    with pytest.raises(ClientError) as refused:
        cloudformation.delete_stack(StackName=STACK)
    cloudformation.update_termination_protection(StackName=STACK, EnableTerminationProtection=False)
    assert "cannot be deleted while TerminationProtection is enabled" in str(refused.value)
