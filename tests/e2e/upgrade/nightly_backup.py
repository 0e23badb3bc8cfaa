"""Runs the job of the nightly backup as CodeBuild does, with the same permissions."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.upgrade.conftest import REPOSITORY, Staging
from tests.support.building import build

PROJECT = "mlflow-staging-mlflow-backup"
USER = "backup-job"


def job(staging: Staging, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Download the source folder and run the build, as CodeBuild does."""
    (project,) = staging.localaws.client("codebuild").batch_get_projects(names=[PROJECT])["projects"]
    bucket, _, prefix = project["source"]["location"].partition("/")
    s3 = staging.localaws.client("s3")
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
        file = folder / item["Key"].removeprefix(prefix)
        file.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, item["Key"], str(file))
    return build(staging.localaws, PROJECT, folder, staging.deployed.environ, key(staging))


def key(staging: Staging) -> dict[str, str]:
    """An access key of a user with exactly the permissions of the job's role, which only CodeBuild may assume."""
    iam = staging.localaws.client("iam")
    policy = iam.get_role_policy(RoleName=f"{PROJECT}-role", PolicyName="MLflowBackup")["PolicyDocument"]
    if USER not in [user["UserName"] for user in iam.list_users()["Users"]]:
        iam.create_user(UserName=USER)
    iam.put_user_policy(UserName=USER, PolicyName="job", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName=USER)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}


def transfer(staging: Staging, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "scripts/transfer.py", *arguments, "--json"],
        cwd=REPOSITORY,
        env=staging.deployed.environ,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)
