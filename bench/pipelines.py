"""Measures what localaws's pipelines add to the work of their steps.

A pipeline of processing steps, one after another, runs a short Python program in each. The peer runs the same program
as often without localaws, in the same run. What is left of the pipeline's time is its overhead: the job's folder and
Python environment, credentials, S3, the log, and the scheduling.

Target: at most 2 s a step. Exit status 1: the target is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # For tests.support.running, which starts a separate localaws.

from bench.targets import exit_status  # noqa: E402
from localaws import daemon  # noqa: E402
from tests.support.running import RunningLocalAws, role, start  # noqa: E402

MOST_SECONDS = 2.0
BUCKET = "bench-pipelines"
# About half a second of work, as short steps have.
PROGRAM = "import time\nprint('working')\ntime.sleep(0.5)\n"
_POLL_SECONDS = 0.1


def main() -> int:
    """Measure, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=8, help="number of steps (default 8)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        localaws = start(Path(folder) / "home")
        try:
            total = pipeline(localaws, given.steps)
        finally:
            daemon.down(localaws.settings)
    own = alone(given.steps)
    overhead = (total - own) / given.steps
    print(f"{'the steps alone':28}{own:8.2f} s")
    print(f"{'as a pipeline on localaws':28}{total:8.2f} s, {overhead:.2f} s more a step")
    print(json.dumps({"steps": given.steps, "alone": own, "pipeline": total, "overhead": overhead}))
    return exit_status([f"{overhead:.2f} s more a step (at most {MOST_SECONDS})"] if overhead > MOST_SECONDS else [])


def alone(steps: int) -> float:
    """The seconds of the programs without localaws."""
    began = time.monotonic()
    for _ in range(steps):
        subprocess.run([sys.executable, "-c", PROGRAM], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def pipeline(localaws: RunningLocalAws, steps: int) -> float:
    """The seconds of an execution."""
    s3, sagemaker = localaws.client("s3"), localaws.client("sagemaker")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="code/program.py", Body=PROGRAM.encode())
    runner = role(localaws, "bench-pipelines")
    document = {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": [],
        "Steps": [_step(number, runner) for number in range(steps)],
    }
    sagemaker.create_pipeline(
        PipelineName="bench", RoleArn=runner, PipelineDefinition=json.dumps(document), ClientRequestToken="b" * 32
    )
    began = time.monotonic()
    arn = sagemaker.start_pipeline_execution(PipelineName="bench")["PipelineExecutionArn"]
    while True:
        found = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        if found["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            break
        time.sleep(_POLL_SECONDS)
    if found["PipelineExecutionStatus"] != "Succeeded":
        raise SystemExit(f"the pipeline {found['PipelineExecutionStatus']}: {found.get('FailureReason')}")
    return time.monotonic() - began


def _step(number: int, runner: str) -> dict[str, Any]:
    folder = "/opt/ml/processing/code"
    code = {
        "S3Uri": f"s3://{BUCKET}/code",
        "LocalPath": folder,
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    return {
        "Name": f"Step{number}",
        "Type": "Processing",
        "DependsOn": [f"Step{number - 1}"] if number else [],
        "Arguments": {
            "RoleArn": runner,
            "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["python3", f"{folder}/program.py"]},
            "ProcessingInputs": [{"InputName": "code", "AppManaged": False, "S3Input": code}],
            "ProcessingResources": {
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
            },
        },
    }


if __name__ == "__main__":
    sys.exit(main())
