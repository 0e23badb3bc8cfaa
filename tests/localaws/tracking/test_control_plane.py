"""AWS's operations for tracking servers: responses, errors and status transitions."""

import json
import os
import signal
import time
from datetime import timedelta

import httpx
import pytest
from botocore.exceptions import ClientError

from mlflow_platform.environment import REPOSITORY
from mlflow_platform.mlflow_versions import FILE, supported_versions
from tests.localaws.tracking.calls import create_run, signed_headers, track
from tests.support.http import HTTP
from tests.support.running import RunningLocalAws, role, settled, tracking_server

DELETED = "ResourceNotFound"
SUPPORTED = ", ".join(supported_versions())


def health(localaws: RunningLocalAws, name: str) -> dict:
    return next(server for server in localaws.health()["tracking_servers"] if server["name"] == name)


def describe(localaws: RunningLocalAws, name: str) -> dict:
    return localaws.client("sagemaker").describe_mlflow_tracking_server(TrackingServerName=name)


def test_describes_a_created_server_with_its_configuration(localaws: RunningLocalAws, servers: dict[str, str]) -> None:
    for version, arn in servers.items():
        found = describe(localaws, arn.rsplit("/", 1)[1])
        assert found["TrackingServerArn"] == arn
        assert found["MlflowVersion"] == version
        assert found["TrackingServerStatus"] == "Created"
        assert found["IsActive"] == "Active"
        assert found["TrackingServerSize"] == "Small"
        assert found["AutomaticModelRegistration"] is False
        assert found["S3BucketOwnerVerification"] is True
        assert found["TrackingServerUrl"].startswith(f"{localaws.url}/_ui/t-")
        assert "WeeklyMaintenanceWindowStart" not in found


def test_each_version_runs_its_mlflow_release(localaws: RunningLocalAws, servers: dict[str, str]) -> None:
    found = {}
    for version, arn in servers.items():
        headers = signed_headers(localaws, arn, "GET", "/version")
        found[version] = HTTP.get(f"{localaws.url}/version", headers=headers).text
    releases = json.loads((REPOSITORY / FILE).read_text())["versions"]
    assert found == {version: release["mlflow"] for version, release in releases.items()}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"TrackingServerName": "under_score"},
            "1 validation error detected: Value 'under_score' at 'trackingServerName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}",
        ),
        (
            {"TrackingServerSize": "Huge"},
            "1 validation error detected: Value 'Huge' at 'trackingServerSize' failed to satisfy constraint: "
            "Member must satisfy enum value set: [Small, Medium, Large]",
        ),
        ({"TrackingServerName": "a" * 257}, "Member must have length less than or equal to 256"),
        ({"WeeklyMaintenanceWindowStart": "Tuesday:03:30"}, "2 validation errors detected"),
        ({"RoleArn": "arn:aws:iam::123456789012:user/somebody"}, "at 'roleArn' failed to satisfy"),
        ({"Tags": [{"Key": "k" * 129, "Value": ""}]}, "at 'tags.1.member.key' failed to satisfy"),
        ({"MlflowVersion": "3.1"}, f"MLflow version 3.1 is not supported. Supported: {SUPPORTED}."),
        ({"RoleArn": "arn:aws:iam::123456789012:role/nobodys-role"}, "Could not assume role"),
    ],
)
def test_rejects_an_invalid_request_with_awss_message(localaws: RunningLocalAws, given: dict, message: str) -> None:
    request = {
        "TrackingServerName": "wrong",
        "ArtifactStoreUri": "s3://somewhere",
        "RoleArn": role(localaws, "wrong-role"),
        **given,
    }
    with pytest.raises(ClientError) as refused:
        localaws.client("sagemaker").create_mlflow_tracking_server(**request)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert message in refused.value.response["Error"]["Message"]
    assert DELETED in _error(lambda: describe(localaws, "wrong"))


def test_rejects_a_role_that_does_not_trust_sagemaker(localaws: RunningLocalAws) -> None:
    trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},'
    localaws.client("iam").create_role(
        RoleName="distrustful", AssumeRolePolicyDocument=trust + '"Action":"sts:AssumeRole"}]}'
    )
    message = _error(
        lambda: localaws.client("sagemaker").create_mlflow_tracking_server(
            TrackingServerName="distrusted",
            ArtifactStoreUri="s3://somewhere",
            RoleArn="arn:aws:iam::123456789012:role/distrustful",
        )
    )
    assert "allows principal 'sagemaker.amazonaws.com' to assume the role" in message


def test_rejects_a_name_that_already_exists(localaws: RunningLocalAws, server: str) -> None:
    message = _error(
        lambda: localaws.client("sagemaker").create_mlflow_tracking_server(
            TrackingServerName=server.rsplit("/", 1)[1],
            ArtifactStoreUri="s3://somewhere",
            RoleArn=role(localaws, "twice-role"),
        )
    )
    assert "ResourceInUse" in message


@pytest.mark.parametrize(
    "operation",
    ["describe", "delete", "start", "stop", "update"],
)
def test_rejects_an_unknown_server(localaws: RunningLocalAws, operation: str) -> None:
    call = getattr(localaws.client("sagemaker"), f"{operation}_mlflow_tracking_server")
    assert DELETED in _error(lambda: call(TrackingServerName="nobodys"))


def test_creation_fails_if_the_bucket_is_missing_or_in_another_region(localaws: RunningLocalAws) -> None:
    sagemaker = localaws.client("sagemaker")
    localaws.client("s3", region_name="eu-west-1").create_bucket(
        Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    for name, bucket, reason in (("bucketless", "no-such-bucket", "NoSuchBucket"), ("far", "far-away", "eu-west-1")):
        sagemaker.create_mlflow_tracking_server(
            TrackingServerName=name, ArtifactStoreUri=f"s3://{bucket}/x", RoleArn=role(localaws, "bucketless-role")
        )
        assert settled(localaws, name) == "CreateFailed"
        assert describe(localaws, name)["IsActive"] == "Inactive"
        assert reason in health(localaws, name)["reason"]
        sagemaker.delete_mlflow_tracking_server(TrackingServerName=name)
        assert settled(localaws, name) == ""


def test_all_operations_report_that_a_server_is_being_created(localaws: RunningLocalAws) -> None:
    sagemaker = localaws.client("sagemaker")
    # The creation fails, so that the test does not start an MLflow server.
    localaws.fault("localaws:StartTrackingServer", delay=1, error="InternalError", resource="slow")
    arn = tracking_server(localaws, "slow", wait=False)
    assert describe(localaws, "slow")["TrackingServerStatus"] == "Creating"
    assert describe(localaws, "slow")["IsActive"] == "Inactive"
    answer = track(localaws, arn, "GET", "experiments/get?experiment_id=0")
    assert (answer.status_code, answer.text) == (400, "Tracking server slow is in status Creating")
    # The wording of https://github.com/aws/amazon-sagemaker-feedback/issues/104
    assert _error(lambda: sagemaker.stop_mlflow_tracking_server(TrackingServerName="slow")).endswith(
        f"Tracking Server with ARN {arn} is currently in status CREATING, can't be stopped."
    )
    assert _error(lambda: sagemaker.delete_mlflow_tracking_server(TrackingServerName="slow")).endswith(
        "Tracking Server is in un-deletable state (CREATING), so it cannot be deleted."
    )
    assert settled(localaws, "slow") == "CreateFailed"
    sagemaker.delete_mlflow_tracking_server(TrackingServerName="slow")
    assert settled(localaws, "slow") == ""
    assert track(localaws, arn, "GET", "experiments/get?experiment_id=0").status_code == 404


def test_a_fault_makes_the_creation_fail(localaws: RunningLocalAws) -> None:
    localaws.fault("localaws:StartTrackingServer", error="InternalError", message="No capacity.", resource="doomed")
    tracking_server(localaws, "doomed")
    assert describe(localaws, "doomed")["TrackingServerStatus"] == "CreateFailed"
    assert health(localaws, "doomed")["reason"] == "InternalError: No capacity."


def trust(service: str) -> str:
    """Return a trust policy for a service that acts for this account."""
    condition = {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:123456789012:*"},
    }
    principal = {"Service": f"{service}.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def own(localaws: RunningLocalAws, worker_id: str) -> str:
    """A server that tests of this module can stop, update and kill. Each pytest-xdist worker has its own."""
    name = f"own-{worker_id}"
    localaws.client("iam").create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument=trust("sagemaker"))
    tracking_server(localaws, name)
    return name


def test_stop_and_start_keep_runs_and_start_requires_a_role_that_trusts_sagemaker(
    localaws: RunningLocalAws, own: str
) -> None:
    sagemaker = localaws.client("sagemaker")
    arn = describe(localaws, own)["TrackingServerArn"]
    run_id = create_run(localaws, arn)["run_id"]
    assert sagemaker.stop_mlflow_tracking_server(TrackingServerName=own)["TrackingServerArn"] == arn
    assert settled(localaws, own) == "Stopped"
    assert describe(localaws, own)["IsActive"] == "Inactive"
    assert (
        track(localaws, arn, "GET", f"runs/get?run_id={run_id}").text == f"Tracking server {own} is in status Stopped"
    )
    assert "status STOPPED, can't be stopped" in _error(
        lambda: sagemaker.stop_mlflow_tracking_server(TrackingServerName=own)
    )
    assert "its UI can't be opened" in _error(
        lambda: sagemaker.create_presigned_mlflow_tracking_server_url(TrackingServerName=own)
    )
    iam = localaws.client("iam")
    iam.update_assume_role_policy(RoleName=f"{own}-role", PolicyDocument=trust("lambda"))
    sagemaker.start_mlflow_tracking_server(TrackingServerName=own)
    assert settled(localaws, own) == "StartFailed"
    assert "Could not assume role" in health(localaws, own)["reason"]
    iam.update_assume_role_policy(RoleName=f"{own}-role", PolicyDocument=trust("sagemaker"))
    sagemaker.start_mlflow_tracking_server(TrackingServerName=own)
    assert settled(localaws, own) == "Started"
    assert describe(localaws, own)["IsActive"] == "Active"
    assert track(localaws, arn, "GET", f"runs/get?run_id={run_id}").json()["run"]["info"]["run_id"] == run_id
    assert "status STARTED, can't be started" in _error(
        lambda: sagemaker.start_mlflow_tracking_server(TrackingServerName=own)
    )


def test_update_changes_only_the_given_members(localaws: RunningLocalAws, own: str) -> None:
    sagemaker = localaws.client("sagemaker")
    before = describe(localaws, own)
    wanted = {"TrackingServerSize": "Medium", "WeeklyMaintenanceWindowStart": "Sun:03:30"}
    sagemaker.update_mlflow_tracking_server(TrackingServerName=own, **wanted)
    assert settled(localaws, own) == "Updated"
    after = describe(localaws, own)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed - {"ResponseMetadata", "TrackingServerStatus"} == {*wanted, "LastModifiedTime"}
    assert {name: after[name] for name in wanted} == wanted
    sagemaker.update_mlflow_tracking_server(TrackingServerName=own, TrackingServerSize="Medium")
    modified = describe(localaws, own)["LastModifiedTime"]
    assert modified == after["LastModifiedTime"], "an update without changes must not change the modification time"


def test_new_experiments_use_a_new_artifact_store(localaws: RunningLocalAws, own: str) -> None:
    sagemaker = localaws.client("sagemaker")
    before = describe(localaws, own)
    arn = before["TrackingServerArn"]
    sagemaker.update_mlflow_tracking_server(TrackingServerName=own, ArtifactStoreUri="s3://no-bucket-here")
    assert settled(localaws, own) == "UpdateFailed"
    assert describe(localaws, own)["ArtifactStoreUri"] == before["ArtifactStoreUri"]
    create_run(localaws, arn)
    sagemaker.update_mlflow_tracking_server(TrackingServerName=own, ArtifactStoreUri=f"s3://{own}-bucket/second")
    assert settled(localaws, own) == "Updated"
    track(localaws, arn, "POST", "experiments/create", {"name": "later"}).raise_for_status()
    found = track(localaws, arn, "GET", "experiments/get-by-name?experiment_name=later").json()
    assert found["experiment"]["artifact_location"].startswith(f"s3://{own}-bucket/second/")


@pytest.mark.parametrize(
    ("verb", "failed"), [("Stop", "StopFailed"), ("Update", "UpdateFailed"), ("Delete", "DeleteFailed")]
)
def test_a_server_keeps_serving_after_a_failed_transition(
    localaws: RunningLocalAws, own: str, verb: str, failed: str
) -> None:
    sagemaker = localaws.client("sagemaker")
    arn = describe(localaws, own)["TrackingServerArn"]
    localaws.fault(f"localaws:{verb}TrackingServer", error="InternalError", resource=own)
    size = {"TrackingServerSize": "Large"} if verb == "Update" else {}  # No other test sets this size.
    getattr(sagemaker, f"{verb.lower()}_mlflow_tracking_server")(TrackingServerName=own, **size)
    assert settled(localaws, own) == failed
    assert describe(localaws, own)["IsActive"] == "Active"
    create_run(localaws, arn)


def test_a_server_whose_process_hung_and_was_killed_can_be_started_again(localaws: RunningLocalAws, own: str) -> None:
    arn = describe(localaws, own)["TrackingServerArn"]
    run_id = create_run(localaws, arn)["run_id"]
    process = health(localaws, own)["pid"]
    os.killpg(process, signal.SIGSTOP)
    try:
        path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
        headers = signed_headers(localaws, arn, "GET", path)
        with pytest.raises(httpx.ReadTimeout):  # The connection is open, but the process does not respond.
            HTTP.get(f"{localaws.url}{path}", headers=headers, timeout=0.3)
    finally:
        os.killpg(process, signal.SIGKILL)
    deadline = time.monotonic() + 60
    answers = set()
    while time.monotonic() < deadline:
        answer = track(localaws, arn, "GET", f"runs/get?run_id={run_id}")
        answers.add(answer.status_code)
        if answer.status_code == 400:
            break
    assert "its process exited unexpectedly" in answer.text
    assert answers <= {502, 400}
    found = describe(localaws, own)
    assert (found["TrackingServerStatus"], found["IsActive"]) == ("StartFailed", "Inactive")
    server_health = health(localaws, own)
    assert "its process exited unexpectedly" in server_health["reason"]
    assert server_health["log"] in server_health["reason"]
    assert track(localaws, arn, "GET", f"runs/get?run_id={run_id}").status_code == 400
    localaws.client("sagemaker").start_mlflow_tracking_server(TrackingServerName=own)
    assert settled(localaws, own) == "Started"
    assert track(localaws, arn, "GET", f"runs/get?run_id={run_id}").status_code == 200


def test_lists_are_filtered_sorted_and_paginated(localaws: RunningLocalAws, servers: dict[str, str]) -> None:
    sagemaker = localaws.client("sagemaker")

    def names(**given: object) -> list[str]:
        pages = sagemaker.get_paginator("list_mlflow_tracking_servers").paginate(**given)
        found = [server["TrackingServerName"] for page in pages for server in page["TrackingServerSummaries"]]
        return [name for name in found if name.startswith("shared-")]

    ours = ["shared-2-13", "shared-2-16", "shared-3-0"]
    assert names(SortBy="Name", SortOrder="Ascending") == ours
    assert names(SortBy="Name") == ours[::-1]
    assert names() == ours[::-1], "the default order is newest first"
    assert names(SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 1}) == ours
    assert names(MlflowVersion="2.16") == ["shared-2-16"]
    assert names(TrackingServerStatus="Stopped") == []
    created, minute = describe(localaws, "shared-2-13")["CreationTime"], timedelta(minutes=1)
    assert names(CreatedAfter=created - minute, CreatedBefore=created + minute) == ours[::-1]
    assert names(CreatedAfter=created + minute) == []
    assert names(CreatedBefore=created - minute) == []
    assert (
        localaws.client("sagemaker", region_name="eu-west-1").list_mlflow_tracking_servers()["TrackingServerSummaries"]
        == []
    )
    assert "ValidationException" in _error(lambda: sagemaker.list_mlflow_tracking_servers(NextToken="nonsense"))


def test_tags_are_added_replaced_listed_and_deleted(localaws: RunningLocalAws, server: str) -> None:
    sagemaker = localaws.client("sagemaker")
    sagemaker.add_tags(ResourceArn=server, Tags=[{"Key": "team", "Value": "a"}, {"Key": "cost", "Value": "1"}])
    sagemaker.add_tags(ResourceArn=server, Tags=[{"Key": "team", "Value": "b"}])
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=server)["Tags"]}
    assert tags == {"team": "b", "cost": "1"}
    sagemaker.delete_tags(ResourceArn=server, TagKeys=["team", "cost"])
    assert sagemaker.list_tags(ResourceArn=server)["Tags"] == []
    assert DELETED in _error(lambda: sagemaker.list_tags(ResourceArn=f"{server}-not"))


def test_servers_of_several_versions_are_created_in_parallel(
    localaws: RunningLocalAws, servers: dict[str, str]
) -> None:
    made = [describe(localaws, arn.rsplit("/", 1)[1]) for arn in servers.values()]
    # LastModifiedTime is when a creation ended: all creations started before the first one ended.
    assert max(one["CreationTime"] for one in made) < min(one["LastModifiedTime"] for one in made)


def _error(call: object) -> str:
    with pytest.raises(ClientError) as refused:
        call()  # type: ignore[operator]
    return str(refused.value)
