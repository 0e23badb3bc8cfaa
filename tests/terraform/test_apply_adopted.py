"""A server, a bucket and a role that were made by hand are adopted with the blocks of docs/guides/adopt-existing.md."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.provider import REPOSITORY
from tests.support.running import TRUST, RunningLocalAws, settled
from tests.terraform.module_root import ModuleRoot
from tests.terraform.readmes import BLOCK

GUIDE = REPOSITORY / "docs/guides/adopt-existing.md"
SERVER, BUCKET, ROLE = "churn-experiments", "acme-churn-artifacts", "AmazonSageMaker-ExecutionRole-20260101T000000"


@pytest.fixture
def by_hand(localaws: RunningLocalAws) -> dict[str, Any]:
    """The description of the server that was made by hand, with a bucket that has no settings."""
    localaws.client("s3").create_bucket(Bucket=BUCKET)
    localaws.client("s3").put_object(Bucket=BUCKET, Key="0/run/artifacts/model", Body=b"a model")
    iam = localaws.client("iam")
    given = {"Path": "/service-role/", "AssumeRolePolicyDocument": json.dumps(TRUST)}
    arn = iam.create_role(RoleName=ROLE, Description="Made by hand", **given)["Role"]["Arn"]
    s3 = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=ROLE, PolicyName="ByHand", PolicyDocument=json.dumps(s3))
    sagemaker = localaws.client("sagemaker")
    sagemaker.create_mlflow_tracking_server(
        TrackingServerName=SERVER, ArtifactStoreUri=f"s3://{BUCKET}", RoleArn=arn, MlflowVersion="3.0"
    )
    settled(localaws, SERVER)
    found: dict[str, Any] = sagemaker.describe_mlflow_tracking_server(TrackingServerName=SERVER)
    return found


def test_adopts_a_server_a_bucket_and_a_role_with_an_empty_plan_afterwards(
    localaws: RunningLocalAws, by_hand: dict[str, Any], tmp_path: Path
) -> None:
    root = ModuleRoot(tmp_path, localaws, *BLOCK.findall(GUIDE.read_text()))
    root("plan", "-input=false", "-out=saved")
    plan = json.loads(root("show", "-json", "saved"))
    changes = {one["address"]: one["change"] for one in plan["resource_changes"] if one["mode"] == "managed"}
    imported = sorted(address for address, change in changes.items() if "importing" in change)
    assert imported == [
        "module.churn.aws_iam_role.server[0]",
        "module.churn.aws_s3_bucket.artifacts[0]",
        'module.churn.aws_sagemaker_mlflow_tracking_server.this["3.0"]',
    ]
    assert [address for address, change in changes.items() if "delete" in change["actions"]] == []
    assert [address for address in imported if "create" in changes[address]["actions"]] == []

    root("apply", "-input=false", "saved")
    assert "No changes." in root("plan", "-input=false", "-detailed-exitcode")

    settled(localaws, SERVER)
    after = localaws.client("sagemaker").describe_mlflow_tracking_server(TrackingServerName=SERVER)
    kept = ("TrackingServerArn", "CreationTime", "RoleArn", "ArtifactStoreUri", "MlflowVersion", "TrackingServerUrl")
    assert {name: after[name] for name in kept} == {name: by_hand[name] for name in kept}
    assert localaws.client("s3").get_object(Bucket=BUCKET, Key="0/run/artifacts/model")["Body"].read() == b"a model"
    assert localaws.client("iam").list_role_policies(RoleName=ROLE)["PolicyNames"] == ["MLflowBasicAccess"]


def test_the_guide_imports_what_it_overrides() -> None:
    text = GUIDE.read_text()
    assert set(re.findall(r'^  id = "([^"]+)"$', text, re.MULTILINE)) == {SERVER, BUCKET, ROLE}


def test_the_guide_adopts_the_bucket_without_a_rule_that_deletes_its_old_versions() -> None:
    [module] = [block for block in BLOCK.findall(GUIDE.read_text()) if "bucket_name_override" in block]
    assert re.search(r"^  noncurrent_version_expiration_days += null$", module, re.MULTILINE)
