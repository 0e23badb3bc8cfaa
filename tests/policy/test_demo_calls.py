"""Runs the demo as a writer with enforced policies, and compares its calls with the recording."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from localaws import daemon
from mlflow_platform.environment import REPOSITORY
from tests.policy.demo_calls import (
    MONITOR,
    MONITOR_IMAGE,
    Walked,
    record,
    recorded,
    required_permissions,
    walk,
    walk_beside,
)
from tests.policy.tour import Caller
from tests.serving.models import COLUMNS
from tests.support.running import MANIFEST, RunningLocalAws
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """The result of the demo, with a separate localaws for this file."""
    done = walk(tmp_path_factory.mktemp("walked"))
    yield done
    daemon.down(done.localaws.settings)


def test_the_demo_succeeds_with_only_the_writer_policy(walked: Walked) -> None:
    assert walked.demo.returncode == 0, walked.demo.stdout[-3000:] + walked.demo.stderr
    assert "role/demo-staging-writer" in walked.demo.stdout
    assert walked.localaws.health()["enforces_iam"]
    callers = {
        (call["operation"], call["principal"].split(":", 5)[-1])
        for call in walked.calls
        if call["operation"] in ("CreateRun", "LogModel", "CreateEndpoint", "InvokeEndpoint")
    }
    assert callers == {
        ("CreateRun", "assumed-role/demo-staging-writer/log_run"),
        ("LogModel", "assumed-role/demo-staging-writer/log_run"),
        ("CreateEndpoint", "assumed-role/demo-staging-writer/deploy_model"),
        # The smoke request with the model's input example.
        ("InvokeEndpoint", "assumed-role/demo-staging-writer/deploy_model"),
        ("InvokeEndpoint", "assumed-role/demo-staging-writer/validate_endpoint"),
    }


# Last: its requests are captured, which is not a call of the demo.
@pytest.mark.last
def test_the_schedule_starts_a_job_that_monitors_with_only_the_rights_of_its_role(walked: Walked) -> None:
    writer = walked.taking("writer", "capturing")
    deployed = writer.result("deploy_model", "models:/iris@champion", "--capture", "100", "--no-smoke-request")
    runtime = writer.client("sagemaker-runtime")
    for number in range(12):
        row = dict(zip(COLUMNS, [5.1 + number, 3.5, 1.4, 0.2], strict=True))
        body = json.dumps({"dataframe_records": [row]})
        runtime.invoke_endpoint(
            EndpointName=deployed["endpoint"], InferenceId=f"row-{number}", ContentType="application/json", Body=body
        )
    s3, bucket = walked.localaws.client("s3"), walked.staging.outputs["artifact_bucket_name"]

    def keys(prefix: str) -> list[str]:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return [each["Key"] for each in listed]

    def captured() -> bool:
        found = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys("captured/")]
        return b"".join(found).count(b'"row-') == 12

    assert eventually(captured, seconds=120, pause=0.2)
    ecr, (repository, tag) = walked.localaws.client("ecr"), MONITOR_IMAGE.rpartition("/")[2].split(":")
    ecr.put_image(repositoryName=repository, imageManifest=MANIFEST, imageTag=tag)
    started = walked.localaws.run_schedule("default", MONITOR)
    sagemaker = walked.localaws.client("sagemaker")
    (job,) = sagemaker.list_processing_jobs(NameContains=MONITOR)["ProcessingJobSummaries"]
    name = job["ProcessingJobName"]

    def ended() -> Any:
        found = sagemaker.describe_processing_job(ProcessingJobName=name)
        return found if found["ProcessingJobStatus"] not in ("InProgress", "Stopping") else None

    done = eventually(ended, seconds=300, pause=0.5)
    assert done["ProcessingJobStatus"] == "Completed", (started, done.get("FailureReason"), job_log(walked, name))
    assert {call["principal"].split(":", 5)[-1].split("/")[1] for call in walked.localaws.calls("PutMetricData")} == {
        "mlflow-staging-monitor-role"
    }
    (status,) = [key for key in keys("monitoring/") if key.endswith("/status.json")]
    assert status == f"monitoring/{deployed['endpoint']}/status.json"
    (variant,) = json.loads(s3.get_object(Bucket=bucket, Key=status)["Body"].read())
    assert (variant["variant"], variant["rows"], variant["drift"]) == ("AllTraffic", 12, "drifted")


def job_log(walked: Walked, job: str) -> str:
    """The last lines of a processing job's log."""
    logs, group = walked.localaws.client("logs"), {"logGroupName": "/aws/sagemaker/ProcessingJobs"}
    (stream,) = logs.describe_log_streams(**group, logStreamNamePrefix=job)["logStreams"]
    events = logs.get_log_events(**group, logStreamName=stream["logStreamName"])["events"]
    return "\n".join(event["message"] for event in events[-20:])


def test_every_call_is_recorded(walked: Walked) -> None:
    walk_beside(walked)
    found = required_permissions(walked)
    if os.environ.get("REWRITE"):
        record(found)
    before = recorded()
    new = {who: sorted(asks - before.get(who, set())) for who, asks in found.items()}
    assert not any(new.values()), f"run scripts/security_docs.py and review what is new: {new}"


def test_readers_cannot_write_and_writers_cannot_delete(walked: Walked) -> None:
    assert Caller(walked.taking("reader", "writing")).status("POST", "experiments/create", name="a reader's") == 403
    assert Caller(walked.taking("writer", "deleting")).status("POST", "experiments/delete", experiment_id="1") == 403


def test_a_script_has_only_the_permissions_of_the_assumed_role(walked: Walked) -> None:
    refused = walked.taking("writer", "stopping").script("server", "stop", check=False)
    assert refused.returncode == 3
    assert "AWS denies StopMlflowTrackingServer: User: arn:aws:sts::123456789012:assumed-role/demo" in refused.stderr


def test_the_demo_as_a_writer_requires_enforced_policies(localaws: RunningLocalAws) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/demo.py", "--as", "writer"],
        cwd=REPOSITORY,
        env=localaws.environ(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("error: the running localaws does not enforce IAM policies")
