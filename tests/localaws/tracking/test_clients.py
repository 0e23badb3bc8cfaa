"""Unmodified clients: MLflow with the sagemaker-mlflow plugin, and the AWS CLI."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.support.running import RunningLocalAws, role, settled

REPOSITORY = Path(__file__).resolve().parents[3]


def test_mlflow_client_logs_to_each_version_by_arn(localaws: RunningLocalAws, servers: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.localaws.tracking.mlflow_client", *servers.values()],
        cwd=REPOSITORY,
        env=localaws.environ(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_DISABLE_TELEMETRY="true"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    for arn, run in zip(servers.values(), report["runs"], strict=True):
        assert run["uri"].startswith(f"s3://{arn.rsplit('/', 1)[1]}-bucket/")
        assert {name: run[name] for name in ("same", "status", "params", "metrics", "artifact")} == {
            "same": True,
            "status": "FINISHED",
            "params": {"alpha": "0.5"},
            "metrics": {"loss": 0.25},
            "artifact": "hello",
        }
    assert "failed with error code 404" in report["refusal"]
    assert "Tracking server could not be found" in report["refusal"]


def test_the_aws_cli_creates_describes_and_deletes_a_server(localaws: RunningLocalAws) -> None:
    def aws(*arguments: str) -> str:
        program = Path(sysconfig.get_path("scripts")) / "aws"
        done = subprocess.run(
            [program, *arguments],
            env=localaws.environ(AWS_MAX_ATTEMPTS="1"),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else done.stderr

    aws("s3", "mb", "s3://cli-bucket")
    name = ("--tracking-server-name", "cli")
    store = ("--artifact-store-uri", "s3://cli-bucket", "--role-arn", role(localaws, "cli-role"))
    arn = json.loads(aws("sagemaker", "create-mlflow-tracking-server", *name, *store))["TrackingServerArn"]
    assert settled(localaws, "cli") == "Created"
    described = json.loads(aws("sagemaker", "describe-mlflow-tracking-server", *name))
    assert (described["TrackingServerArn"], described["MlflowVersion"]) == (arn, "3.0")
    assert "authToken" in aws("sagemaker", "create-presigned-mlflow-tracking-server-url", *name)
    assert aws("sagemaker", "delete-mlflow-tracking-server", *name)
    assert settled(localaws, "cli") == ""
    gone = aws("sagemaker", "describe-mlflow-tracking-server", *name)
    assert "An error occurred (ResourceNotFound) when calling the DescribeMlflowTrackingServer operation" in gone
