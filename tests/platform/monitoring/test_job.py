"""The code of the scheduled job, as Terraform packs it."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlflow_platform import outputs
from mlflow_platform.environment import REPOSITORY

MODULE = REPOSITORY / "terraform/module/serving"
OUTPUTS = {
    "artifact_bucket_name": "bucket",
    "artifact_store_uri": "s3://bucket",
    "aws_account_id": "123456789012",
    "aws_region": "us-east-1",
    "endpoint_execution_role_arn": "arn:aws:iam::123456789012:role/endpoint",
    "mlflow_tracking_uri": "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/churn-dev-3-0",
    "mlflow_version": "3.0",
    "project_name": "churn",
    "tracking_server_name": "churn-dev-3-0",
}
GIVEN = {"PLATFORM_ENVIRONMENT": "dev", **{f"PLATFORM_OUTPUT_{name}": value for name, value in OUTPUTS.items()}}


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """The folder that a job's container gets: `run.py`, and the files that monitoring.tf names."""
    patterns = re.findall(r'_repository, "(src/[^"]+)"', (MODULE / "monitoring.tf").read_text())
    assert patterns
    wanted = [REPOSITORY / "scripts/monitor.py"]
    for pattern in patterns:
        base, brace, rest = pattern.partition("{")
        if not brace:
            wanted += REPOSITORY.glob(pattern)
            continue
        for folder in rest.partition("}")[0].split(","):
            wanted += [
                path for path in (REPOSITORY / base / folder).rglob("*") if path.suffix in {".py", ".j2", ".json"}
            ]
    files = {str(path.relative_to(REPOSITORY)): path.read_text() for path in wanted}
    (tmp_path / "tool.json.gz").write_bytes(gzip.compress(json.dumps(files).encode()))
    (tmp_path / "run.py").write_text((MODULE / "monitoring/run.py").read_text())
    return tmp_path


def run(tool: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PLATFORM_"))}
    return subprocess.run(
        [sys.executable, tool / "run.py", *arguments],
        cwd=tool,
        env={**environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_packed_code_has_every_module_that_the_job_imports(tool: Path) -> None:
    check = (
        "import importlib, pkgutil, sys\n"
        "import mlflow_platform.monitoring as package\n"
        "for found in pkgutil.iter_modules(package.__path__):\n"
        "    importlib.import_module(f'{package.__name__}.{found.name}')\n"
        "ours = [sys.modules[name] for name in sys.modules if name.startswith(('mlflow_platform', 'mlflow_common'))]\n"
        "outside = [found.__file__ for found in ours if not found.__file__.startswith(sys.path[0])]\n"
        "assert not outside, outside\n"
    )
    runner = (tool / "run.py").read_text()
    (tool / "run.py").write_text(runner.replace('runpy.run_path(str(script), run_name="__main__")', f"exec({check!r})"))
    done = run(tool)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_job_knows_its_environment_from_variables(tool: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = run(tool, "run", "--env=dev", AWS_MAX_ATTEMPTS="1", **keys, **GIVEN)
    assert done.returncode == 3
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:9/"' in done.stderr


def test_given_outputs_are_of_one_environment() -> None:
    found = outputs.load("dev", local=False, environ=dict(GIVEN))
    assert (found.project, found.name, found.server.name) == ("churn", "dev", "churn-dev-3-0")
    assert found.source == "the variables PLATFORM_OUTPUT_…"


def test_monitorings_requirements_are_those_of_the_lock() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    for line in (MODULE / "monitoring/requirements.txt").read_text().splitlines():
        assert re.search(rf"^{re.escape(line)}\s", lock, re.MULTILINE), line
