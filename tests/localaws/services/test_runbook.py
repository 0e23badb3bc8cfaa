"""Commands of docs/guides/runbook.md that need no environment: a disabled key, a bucket, the log files of a trail."""

import gzip
import json
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.commands import output
from tests.support.running import RunningLocalAws
from tests.terraform.planning import REPOSITORY

RUNBOOK = REPOSITORY / "docs/guides/runbook.md"


def test_a_key_whose_deletion_was_scheduled_is_recovered(localaws: RunningLocalAws) -> None:
    kms = localaws.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]

    def state() -> str:
        found: str = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
        return found

    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=30)
    assert state() == "PendingDeletion"
    kms.cancel_key_deletion(KeyId=key)
    assert state() == "Disabled"
    kms.enable_key(KeyId=key)
    assert state() == "Enabled"


class Shell:
    """Runs commands as a user does whose PATH begins with `.venv/bin`."""

    def __init__(self, localaws: RunningLocalAws, folder: Path) -> None:
        self.folder = folder
        self._environ = localaws.environ()

    def __call__(self, *command: str) -> str:
        program = Path(sys.executable).with_name(command[0])
        return output([program if program.exists() else command[0], *command[1:]], self.folder, self._environ)


@pytest.fixture
def shell(localaws: RunningLocalAws, tmp_path: Path) -> Shell:
    return Shell(localaws, tmp_path)


def documented(containing: str) -> str:
    """The line of the runbook with a text, without its comment."""
    [line] = [line for line in RUNBOOK.read_text().splitlines() if containing in line]
    return line.split("  #")[0].strip()


def test_a_bucket_is_copied_encrypted_with_another_key_and_emptied(
    localaws: RunningLocalAws, shell: Shell, tmp_path: Path
) -> None:
    s3, bucket = localaws.client("s3"), "runbook-bucket"
    key = localaws.client("kms").create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for name in ("1/artifacts/a", "1/artifacts/b"):
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
    shell("aws", "s3", "sync", f"s3://{bucket}", "artifacts")
    assert (tmp_path / "artifacts/1/artifacts/a").read_text() == "1/artifacts/a"

    own = f"s3://{bucket}/"
    shell("aws", "s3", "cp", own, own, "--recursive", "--sse", "aws:kms", "--sse-kms-key-id", key)
    found = s3.get_object(Bucket=bucket, Key="1/artifacts/b")
    assert (found["SSEKMSKeyId"], found["Body"].read()) == (key, b"1/artifacts/b")
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 4

    command = documented("object_versions.delete()").replace("mlflow-prod-mlflow-artifacts-zali-prod", bucket)
    shell("sh", "-c", command.replace(".venv/bin/python", shlex.quote(sys.executable)))
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)
    s3.delete_bucket(Bucket=bucket)


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
def test_the_log_files_of_a_trail_name_who_wrote_an_artifact(
    localaws: RunningLocalAws, shell: Shell, tmp_path: Path
) -> None:
    bucket, folder = "runbook-logs", f"AWSLogs/{localaws.settings.account}/CloudTrail/us-east-1/2026/11/29/"
    # The members of a record: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    records = [
        {
            "eventTime": "2026-11-29T10:00:00Z",
            "userIdentity": {"arn": "arn:aws:sts::123456789012:assumed-role/writer/ana"},
            "eventName": name,
            "requestParameters": {"key": f"1/{run}/artifacts/model"},
        }
        for name, run in (("PutObject", "RUN-ID"), ("GetObject", "another"))
    ]
    s3 = localaws.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(
        Bucket=bucket, Key=f"{folder}file.json.gz", Body=gzip.compress(json.dumps({"Records": records}).encode())
    )
    shell("aws", "s3", "cp", "--recursive", f"s3://{bucket}/{folder}", "logs/")
    assert (tmp_path / "logs/file.json.gz").exists()
    (line,) = shell("sh", "-c", documented("gunzip --stdout")).splitlines()
    assert line.split("\t")[1:] == [
        "arn:aws:sts::123456789012:assumed-role/writer/ana",
        "PutObject",
        "1/RUN-ID/artifacts/model",
    ]
