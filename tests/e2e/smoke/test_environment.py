"""Checks with AWS's APIs that the environment matches Terraform's outputs. Runs unchanged on localaws and on AWS."""

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.deployed import Deployed


@pytest.fixture(scope="module")
def server(staging: Deployed) -> dict[str, Any]:
    name = staging.outputs["tracking_server_name"]
    found: dict[str, Any] = staging.client("sagemaker").describe_mlflow_tracking_server(TrackingServerName=name)
    return found


@pytest.fixture(scope="module")
def bucket(staging: Deployed) -> str:
    return str(staging.outputs["artifact_bucket_name"])


def test_the_server_runs_with_the_version_and_the_bucket_of_the_outputs(
    staging: Deployed, server: dict[str, Any]
) -> None:
    assert server["TrackingServerArn"] == staging.outputs["mlflow_tracking_uri"]
    assert server["IsActive"] == "Active"
    assert server["MlflowVersion"].startswith(staging.outputs["mlflow_version"])
    assert server["ArtifactStoreUri"] == staging.outputs["artifact_store_uri"]
    assert server["RoleArn"] == staging.outputs["mlflow_role_arn"]


def test_the_servers_role_has_the_documented_policy(staging: Deployed) -> None:
    policy = staging.client("iam").get_role_policy(
        RoleName=staging.outputs["mlflow_role_name"], PolicyName="MLflowBasicAccess"
    )["PolicyDocument"]
    text = json.dumps(policy)
    assert staging.outputs["artifact_bucket_name"] in text
    assert '"Action": "*"' not in text


def test_the_bucket_is_versioned_encrypted_and_private(staging: Deployed, bucket: str) -> None:
    s3 = staging.client("s3")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    ownership = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_the_bucket_refuses_plain_http_and_aborts_unfinished_uploads(staging: Deployed, bucket: str) -> None:
    s3 = staging.client("s3")
    statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert any(
        statement["Effect"] == "Deny" and statement["Condition"].get("Bool", {}).get("aws:SecureTransport") == "false"
        for statement in statements
    )
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)


def test_a_wrong_secret_is_refused(staging: Deployed) -> None:
    stranger = Deployed(staging.name, staging.local, {**staging.environ, "AWS_SECRET_ACCESS_KEY": "x" * 40})
    stranger.__dict__["outputs"] = staging.outputs
    with pytest.raises(ClientError) as refused:
        stranger.client("sagemaker").list_mlflow_tracking_servers()
    assert refused.value.response["Error"]["Code"] in {"InvalidSignatureException", "UnrecognizedClientException"}


def test_ordinary_tools_work(staging: Deployed, bucket: str) -> None:
    """Two commands of the README: every server has the experiment Default."""
    key = f"smoke-{uuid.uuid4().hex[:8]}.txt"
    s3 = staging.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=b"")
    try:
        for command, expected in (
            (["aws", "s3", "ls", f"s3://{bucket}", "--recursive"], key),
            (["mlflow", "experiments", "search"], "Default"),
        ):
            done = subprocess.run(
                [Path(sys.executable).with_name(command[0]), *command[1:]],
                env={**staging.environ, "MLFLOW_TRACKING_URI": staging.outputs["mlflow_tracking_uri"]},
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert expected in done.stdout, done.stdout + done.stderr
    finally:
        s3.delete_object(Bucket=bucket, Key=key)


def test_terraform_plans_no_changes(staging: Deployed) -> None:
    plan = staging.terraform("plan")
    assert "No changes." in plan.stdout


def test_the_doctor_finds_no_failure(staging: Deployed) -> None:
    checks = json.loads(staging.script("doctor", "--json", check=False).stdout)["checks"]
    # Other tests deploy models that fail on purpose.
    failures = [one for one in checks if one["status"] == "fail" and one["check"] not in ("endpoints", "alarms")]
    assert failures == []
    passed = {one["check"] for one in checks if one["status"] == "pass"}
    assert {"credentials", "tracking API", "artifact access", "server settings", "roles", "policies"} <= passed


def test_the_cost_of_the_server_is_estimated(staging: Deployed) -> None:
    found = staging.result("cost")
    name = staging.outputs["tracking_server_name"]
    (server,) = [line for line in found["lines"] if line["what"].startswith(f"tracking server {name} ")]
    assert 0 < server["next_month"] <= found["next_month"]["known"]
