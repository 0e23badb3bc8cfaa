"""Measures packing and deploying a model against MLflow's deployment client, on one localaws in the same run.

Packing: a model of random weights goes from S3 to an archive in S3. The peer is what MLflow does for the same
(`mlflow.sagemaker`: download, tar.gz in a temporary folder, upload). Deploying: the wall time and the AWS calls of
`deploy_model.py` with all its guards, and of `mlflow deployments create -t sagemaker`, for the same model, from the
start of each program until the endpoint is in service.

Targets: less than 200 MiB of memory, no second copy of the model on the disk, and a deployment that takes no longer
than the peer's. Exit status 1: a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # For tests.support.running, which starts a separate localaws.

from bench.targets import exit_status  # noqa: E402
from localaws import daemon  # noqa: E402
from localaws.mirror import mirror  # noqa: E402
from tests.support.deployed import Deployed  # noqa: E402
from tests.support.running import RunningLocalAws, start  # noqa: E402

MOST_MIB, MOST_COPIES = 200, 1.01
BUCKET, MODEL = "bench-models", "model"
PIECE = 64 << 20
OURS = """
import json, resource, sys, tempfile
from pathlib import Path
import boto3
from mlflow_platform.endpoints import model_archive
s3 = boto3.client("s3")
with tempfile.TemporaryDirectory() as folder:
    made = model_archive.make(s3, sys.argv[1], Path(folder))
    model_archive.upload(s3, made, sys.argv[2], {})
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""
PEER = """
import json, resource, sys, tempfile
import boto3, mlflow.sagemaker
from mlflow.tracking.artifact_utils import _download_artifact_from_uri
bucket, prefix = sys.argv[2].removeprefix("s3://").split("/", 1)
with tempfile.TemporaryDirectory() as folder:
    model = _download_artifact_from_uri(sys.argv[1], output_path=folder)
    mlflow.sagemaker._upload_s3(model, bucket, prefix.rpartition("/")[0], "us-east-1", boto3.client("s3"))
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


@dataclass(frozen=True)
class Packed:
    """One way of packing: seconds, peak memory in MiB, and the peak of the disk as a multiple of the model's size."""

    name: str
    seconds: float
    memory: float
    copies: float


@dataclass(frozen=True)
class Deploying:
    """One way of deploying: seconds until the endpoint is in service, and its AWS calls."""

    name: str
    seconds: float
    calls: int


def main() -> int:
    """Measure, print and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=("packing", "deploying"), help="measure only this")
    parser.add_argument("--gib", type=float, default=2.0, help="the size of the model to pack (default 2)")
    given = parser.parse_args()
    packed: list[Packed] = []
    deployed: list[Deploying] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        localaws = start(home)
        try:
            if given.only != "deploying":
                packed = packing(localaws, Path(folder), int(given.gib * (1 << 30)))
            if given.only != "packing":
                deployed = deploying(localaws, home)
        finally:
            daemon.down(localaws.settings)
    for one in packed:
        print(f"{one.name:45}{one.seconds:8.1f} s{one.memory:8.0f} MiB{one.copies:8.2f} copies on the disk")
    for each in deployed:
        print(f"{each.name:45}{each.seconds:8.1f} s{each.calls:8} calls")
    print(json.dumps([asdict(one) for one in (*packed, *deployed)]))
    missed = [*(f"packing: {line}" for line in _missed(packed)), *_slower(deployed)]
    return exit_status(missed)


def packing(localaws: RunningLocalAws, folder: Path, size: int) -> list[Packed]:
    """Pack a model of about `size` bytes in both ways."""
    s3 = localaws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=f"{MODEL}/MLmodel", Body=b"run_id: null\n")
    weights = folder / "weights"
    with weights.open("wb") as file:
        for _ in range(max(1, size // PIECE)):
            file.write(os.urandom(PIECE))
    total = weights.stat().st_size
    s3.upload_file(str(weights), BUCKET, f"{MODEL}/weights")
    weights.unlink()
    source = f"s3://{BUCKET}/{MODEL}"
    return [
        _pack(localaws, folder, name, program, (source, f"s3://{BUCKET}/{number}/model.tar.gz"), total)
        for number, (name, program) in enumerate((("deploy_model.py", OURS), ("mlflow.sagemaker", PEER)))
    ]


def _pack(
    localaws: RunningLocalAws, folder: Path, name: str, program: str, where: tuple[str, str], total: int
) -> Packed:
    temporary = folder / "temporary"
    temporary.mkdir()
    environ = localaws.environ(TMPDIR=str(temporary), PYTHONPATH=str(REPOSITORY))
    most, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            most[0] = max(most[0], _size(temporary))

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program, *where],
        env=environ,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    ended.set()
    watching.join()
    shutil.rmtree(temporary)
    if done.returncode:
        raise SystemExit(done.stderr)
    return Packed(f"packing, {name}", seconds, json.loads(done.stdout.splitlines()[-1]) / 1024, most[0] / total)


def _size(folder: Path) -> int:
    """The bytes of all files below a folder, of which some may vanish meanwhile."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except OSError:
                continue
    return total


def deploying(localaws: RunningLocalAws, home: Path) -> list[Deploying]:
    """Deploy the same model in both ways."""
    staging = Deployed("staging", local=True, environ=localaws.environ(LOCALAWS_HOME=str(home)))
    mirror(localaws.settings, "staging")
    staging.terraform("apply")
    staging.result("log_run", "--register", "bench", "--alias", "champion")
    image = f"{staging.outputs['aws_account_id']}.dkr.ecr.us-east-1.amazonaws.com/mlflow-pyfunc:3.17.2"
    peer = [
        *("mlflow", "deployments", "create", "-t", "sagemaker:/us-east-1", "--name", "mlflow-staging-peer"),
        *("-m", "models:/bench/1", "-C", f"execution_role_arn={staging.outputs['endpoint_execution_role_arn']}"),
        *("-C", f"bucket={staging.outputs['artifact_bucket_name']}", "-C", f"image_url={image}"),
        *("-C", "instance_type=ml.m5.large", "-C", "instance_count=1"),
    ]
    ours = [str(REPOSITORY / "scripts" / "deploy_model.py"), "models:/bench@champion", "--env", "staging", "--local"]
    # The first start of a model's environment builds it.
    _measured(localaws, staging, "warm-up", [sys.executable, *ours, "--image", image, "--endpoint", "mlflow-staging-w"])
    found = [
        _measured(localaws, staging, "deploy_model.py, all guards", [sys.executable, *ours, "--image", image]),
        _measured(localaws, staging, "mlflow deployments create -t sagemaker", [sys.executable, "-m", *peer]),
    ]
    sagemaker: Any = staging.client("sagemaker")
    status = sagemaker.describe_endpoint(EndpointName="mlflow-staging-peer")["EndpointStatus"]
    if status != "InService":
        raise SystemExit(f"the peer's endpoint is {status}")
    return found


def _measured(localaws: RunningLocalAws, staging: Deployed, name: str, command: list[str]) -> Deploying:
    before = len(localaws.calls())
    environ = {
        **staging.environ,
        "MLFLOW_TRACKING_URI": staging.outputs["mlflow_tracking_uri"],
        "PYTHONPATH": str(REPOSITORY),
    }
    began = time.monotonic()
    done = subprocess.run(command, env=environ, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{name}:\n{done.stdout}{done.stderr}")
    # The container's role downloads the model and writes logs, which is the same for both.
    calls = [call for call in localaws.calls()[before:] if "endpoint-role" not in call["principal"]]
    print(name, dict(Counter(f"{call['service']}:{call['operation']}" for call in calls)))
    return Deploying(name, seconds, len(calls))


def _missed(packed: list[Packed]) -> list[str]:
    if not packed:
        return []
    ours = packed[0]
    found = [f"{ours.memory:.0f} MiB"] if ours.memory > MOST_MIB else []
    return [*found, f"{ours.copies:.2f} copies on the disk"] if ours.copies > MOST_COPIES else found


def _slower(deployed: list[Deploying]) -> list[str]:
    if not deployed or deployed[0].seconds <= deployed[1].seconds:
        return []
    return [f"deploying takes {deployed[0].seconds:.1f} s, and the peer {deployed[1].seconds:.1f} s"]


if __name__ == "__main__":
    sys.exit(main())
