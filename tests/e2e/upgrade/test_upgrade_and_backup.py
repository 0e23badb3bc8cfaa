"""The whole road from MLflow 2.13 to 3.0 with make, killed twice on the way, and the old server's retirement.

Also the nightly backup of such an environment, and a restore of it: in one file, so that both share the environment.
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
    # Not from the checkpoint: that is the copy's alone while it works.
    time.sleep(0.02)
    return sum(call["operation"] == "UpdateRun" for call in staging.localaws.calls(NEW))


def test_a_store_of_2_13_moves_to_3_0_killed_twice_on_the_way_and_is_retired(staging: Staging) -> None:
    upgrade = ("upgrade", "TO=3.0")
    old = staging.deployed.outputs["tracking_server_arns"]["2.13"]
    del staging.deployed.__dict__["outputs"]

    # Killed while the new server is created: AWS has it then, and Terraform's state does not know it.
    staging.killed_when(lambda: status(staging, NEW) == "Creating", *upgrade)
    assert staging.wanted == {"mlflow_version": "2.13", "retained_mlflow_versions": ["3.0"]}

    # Killed while runs are copied: the old server is still the one that the outputs name.
    staging.killed_when(lambda: 5 <= copied_runs(staging) < RUNS, *upgrade)
    outputs = staging.deployed.outputs
    assert (outputs["mlflow_version"], outputs["tracking_server_name"]) == ("2.13", OLD)
    new = outputs["tracking_server_arns"]["3.0"]
    del staging.deployed.__dict__["outputs"]

    told = staging.told(*upgrade, "ARGS=--json")
    assert {name: told[name] for name in ("server", "changed", "tracking_uri", "kept")} == {
        "server": NEW,
        "changed": True,
        "tracking_uri": new,
        "kept": OLD,
    }
    report = json.loads(Path(told["report"]).with_name("report.json").read_text())
    assert (report["passed"], report["differences"], report["losses"]) == (True, [], [])
    assert report["compared"]["runs"] == RUNS + 3
    outputs = staging.deployed.outputs
    assert (outputs["mlflow_version"], outputs["mlflow_tracking_uri"]) == ("3.0", new)
    assert outputs["tracking_server_arns"] == {"2.13": old, "3.0": new}
    assert staging.wanted == {"mlflow_version": "3.0", "retained_mlflow_versions": ["2.13"]}
    # Nothing is left to do, and a plain apply keeps both.
    assert staging.plan().returncode == 0

    staging.old_client("late", old)
    refused = staging.make("retire", "VERSION=2.13", f"CONFIRM={OLD}")
    assert (refused.returncode, status(staging, OLD)) == (2, "Created")
    assert "was written to since" in refused.stderr

    assert staging.told(*upgrade, "ARGS=--json")["changed"] is False
    retired = staging.told("retire", "VERSION=2.13", f"CONFIRM={OLD}", "ARGS=--json")
    assert retired == {"retired": OLD, "changed": True}
    assert (status(staging, OLD), status(staging, NEW)) == ("", "Created")
    assert staging.wanted == {"mlflow_version": "3.0", "retained_mlflow_versions": []}


def test_the_nightly_job_backs_up_with_its_own_rights_and_the_backup_restores(staging: Staging, tmp_path: Path) -> None:
    outputs = staging.deployed.outputs
    del staging.deployed.__dict__["outputs"]
    active, archive = outputs["mlflow_tracking_uri"], outputs["backup_archive_uri"]
    schedule = staging.localaws.client("scheduler").get_schedule(Name=PROJECT)
    assert schedule["Target"]["Arn"].endswith(f":project/{PROJECT}")
    assert schedule["Target"]["RoleArn"].endswith(f":role/{PROJECT}-schedule-role")

    done = job(staging, tmp_path / "source")
    assert done.returncode == 0, done.stdout + done.stderr
    there = transfer(staging, "inspect", archive)["holds"]

    # A second one, by hand, finds everything there already.
    assert staging.told("backup", "ARGS=--json --keep 2")["files_deleted"] == 0

    restored = tracking_server(staging.localaws, "restored", MlflowVersion="3.0")
    transfer(staging, "restore", archive, restored)
    report = transfer(staging, "verify", active, restored, "--include-deleted", "--report", str(tmp_path / "report"))
    assert (report["passed"], report["compared"]["runs"]) == (True, there["runs"])
