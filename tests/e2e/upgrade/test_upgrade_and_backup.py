"""An upgrade from MLflow 2.13 to 3.0 with make, killed twice, and the retirement of the old server.

The nightly backup and a restore of it are in the same file, so that they share the environment.
"""

import json
import time
from pathlib import Path

from tests.e2e.upgrade.conftest import RUNS, Staging
from tests.e2e.upgrade.nightly_backup import PROJECT, job, transfer
from tests.support.running import tracking_server

OLD, NEW = "mlflow-staging-2-13", "mlflow-staging-3-0"


def status(staging: Staging, name: str) -> str:
    time.sleep(0.05)
    sagemaker = staging.localaws.client("sagemaker")
    try:
        return str(sagemaker.describe_mlflow_tracking_server(TrackingServerName=name)["TrackingServerStatus"])
    except sagemaker.exceptions.ResourceNotFound:
        return ""


def copied_runs(staging: Staging) -> int:
    # The checkpoint cannot be read here, because the copy locks it.
    time.sleep(0.02)
    return sum(call["operation"] == "UpdateRun" for call in staging.localaws.calls(NEW))


def test_upgrades_2_13_to_3_0_despite_two_kills_and_retires_the_old_server(staging: Staging) -> None:
    upgrade = ("upgrade", "TO=3.0")
    old = staging.deployed.outputs["tracking_server_arns"]["2.13"]
    del staging.deployed.__dict__["outputs"]

    # Killed while AWS creates the new server, which is not in Terraform's state yet.
    staging.killed_when(lambda: status(staging, NEW) == "Creating", *upgrade)
    assert staging.desired == {"mlflow_version": "2.13", "retained_mlflow_versions": ["3.0"]}

    # Killed while runs are copied. The outputs still name the old server.
    staging.killed_when(lambda: 5 <= copied_runs(staging) < RUNS, *upgrade)
    outputs = staging.deployed.outputs
    assert (outputs["mlflow_version"], outputs["tracking_server_name"]) == ("2.13", OLD)
    new = outputs["tracking_server_arns"]["3.0"]
    del staging.deployed.__dict__["outputs"]

    result = staging.result(*upgrade, "ARGS=--json")
    assert {name: result[name] for name in ("server", "changed", "tracking_uri", "kept")} == {
        "server": NEW,
        "changed": True,
        "tracking_uri": new,
        "kept": OLD,
    }
    report = json.loads(Path(result["report"]).with_name("report.json").read_text())
    assert (report["passed"], report["differences"], report["losses"]) == (True, [], [])
    assert report["compared"]["runs"] == RUNS + 3
    outputs = staging.deployed.outputs
    assert (outputs["mlflow_version"], outputs["mlflow_tracking_uri"]) == ("3.0", new)
    assert outputs["tracking_server_arns"] == {"2.13": old, "3.0": new}
    assert staging.desired == {"mlflow_version": "3.0", "retained_mlflow_versions": ["2.13"]}
    # A plain apply would change nothing.
    assert staging.plan().returncode == 0

    staging.old_client("late", old)
    refused = staging.make("retire", "VERSION=2.13", f"CONFIRM={OLD}")
    assert (refused.returncode, status(staging, OLD)) == (2, "Created")
    assert "was written to since" in refused.stderr

    assert staging.result(*upgrade, "ARGS=--json")["changed"] is False
    retired = staging.result("retire", "VERSION=2.13", f"CONFIRM={OLD}", "ARGS=--json")
    assert retired == {"retired": OLD, "changed": True}
    assert (status(staging, OLD), status(staging, NEW)) == ("", "Created")
    assert staging.desired == {"mlflow_version": "3.0", "retained_mlflow_versions": []}


def test_the_nightly_job_backs_up_with_its_own_permissions_and_the_backup_can_be_restored(
    staging: Staging, tmp_path: Path
) -> None:
    outputs = staging.deployed.outputs
    del staging.deployed.__dict__["outputs"]
    active, archive = outputs["mlflow_tracking_uri"], outputs["backup_archive_uri"]
    schedule = staging.localaws.client("scheduler").get_schedule(Name=PROJECT)
    assert schedule["Target"]["Arn"].endswith(f":project/{PROJECT}")
    assert schedule["Target"]["RoleArn"].endswith(f":role/{PROJECT}-schedule-role")

    build = job(staging)
    assert build["buildStatus"] == "SUCCEEDED", build
    there = transfer(staging, "inspect", archive)["holds"]

    # A second, manual backup finds everything in the archive.
    assert staging.result("backup", "ARGS=--json --keep 2")["files_deleted"] == 0

    restored = tracking_server(staging.localaws, "restored", MlflowVersion="3.0")
    transfer(staging, "restore", archive, restored)
    report = transfer(staging, "verify", active, restored, "--include-deleted", "--report", str(tmp_path / "report"))
    assert (report["passed"], report["compared"]["runs"]) == (True, there["runs"])
