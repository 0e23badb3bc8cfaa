"""A clone without Terraform's state: the scripts read the published parameters instead."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deployed import REPOSITORY, Deployed


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout in which Terraform never ran."""
    for part in ("scripts", "src", "mlflow", "terraform"):
        shutil.copytree(
            REPOSITORY / part, tmp_path / part, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*", "backend.hcl")
        )
    return tmp_path


def server(
    clone: Path, environ: dict[str, str], *arguments: str, verb: str = "status"
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, clone / "scripts/server.py", verb, "--env", "staging", *arguments],
        cwd=clone,
        env={**environ, "PYTHONPATH": f"{clone / 'src'}:{clone}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_script_needs_only_credentials_and_a_region(staging: Deployed, clone: Path) -> None:
    found = server(clone, staging.environ, "--json", "--debug")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["tracking_uri"] == staging.outputs["mlflow_tracking_uri"]
    assert found.stderr == "the outputs of staging were read from the parameters below /mlflow/staging\n"


def test_a_script_works_without_terraform(staging: Deployed, clone: Path) -> None:
    found = server(clone, {**staging.environ, "PATH": str(clone)}, "--json")
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout)["server"] == staging.outputs["tracking_server_name"]


def test_an_environment_that_was_never_deployed_causes_a_one_line_error(staging: Deployed, clone: Path) -> None:
    settings = clone / "mlflow/terraform/staging/terraform.tfvars"
    settings.write_text(settings.read_text().replace('"mlflow"', '"elsewhere"', 1))
    found = server(clone, staging.environ)
    assert (found.returncode, found.stderr) == (
        3,
        "error: staging is not deployed. Run `make apply ENV=staging` first.\n",
    )


def test_prints_the_backups_uri_once_it_is_published(staging: Deployed, clone: Path) -> None:
    ssm, published = staging.client("ssm"), "/mlflow/staging/backup_archive_uri"
    unknown = server(clone, staging.environ, verb="archive")
    assert (unknown.returncode, unknown.stdout) == (3, "")
    assert unknown.stderr.startswith(
        "error: staging has no nightly backup, so the parameters below /mlflow/staging names no archive. Name one"
    )
    ssm.put_parameter(Name=published, Value="s3://bucket/backups/mlflow-staging-3-0", Type="String")
    try:
        known = server(clone, staging.environ, verb="archive")
    finally:
        ssm.delete_parameter(Name=published)
    assert (known.returncode, known.stdout) == (0, "s3://bucket/backups/mlflow-staging-3-0\n")
