"""The throw-away environment of a proof: a Terraform root of its own, with its own state, beside the others."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mlflow_common.errors import InputError
from mlflow_platform.outputs import ROOTS

PREFIX = "prove-"
SETTINGS = "zz_prove.auto.tfvars.json"
_BACKEND = 'terraform {\n  backend "local" {}\n}\n'
_VARIABLE = re.compile(r'^variable "(\w+)"', re.MULTILINE)
# Terraform reads *.auto.tfvars and *.auto.tfvars.json in the order of their names, so SETTINGS is read last. `make
# upgrade` writes such a file with the versions of the tracking servers.
_COPIED = ("*.tf", "terraform.tfvars", "*.auto.tfvars", "*.auto.tfvars.json", ".terraform.lock.hcl")
_LOCAL = "*.localaws.auto.tfvars.json"
_REQUIRED = "dangerously_delete_data_on_destroy"


@dataclass(frozen=True)
class Workspace:
    """A copied root. `name` is the environment's name, for `--env`."""

    name: str
    folder: Path

    @property
    def state(self) -> Path:
        """Terraform's state on AWS; on localaws it is in localaws's own copy of the root."""
        return self.folder / "terraform.tfstate"

    def remove(self) -> None:
        """Delete the root and its state."""
        shutil.rmtree(self.folder)


def create_workspace(
    repository: Path, source: str, suffix: str, *, account: str, region: str, now: datetime
) -> Workspace:
    """Copy the root of environment `source` for a throw-away environment that Terraform may delete with its data.

    It has the settings of `source`, also those in *.auto.tfvars, except those that reach outside: attached roles,
    e-mails, copies and locks.

    Raises:
        InputError: the root of `source` has no variable that allows to delete its data.
    """
    root = repository / ROOTS / source
    declared = {name for file in sorted(root.glob("*.tf")) for name in _VARIABLE.findall(file.read_text())}
    if _REQUIRED not in declared:
        raise InputError(
            f"the root of {source} does not let Terraform delete data, so a copy of it cannot be destroyed. "
            "Use --env staging."
        )
    name = f"{PREFIX}{suffix}"
    folder = repository / ROOTS / name
    folder.mkdir()
    for file in sorted({file for pattern in _COPIED for file in root.glob(pattern)}):
        if not file.match(_LOCAL):
            shutil.copyfile(file, folder / file.name)
    settings = {key: value for key, value in _settings(name, account, region, now).items() if key in declared}
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n")
    # The state of an environment that lives for an hour needs no bucket.
    (folder / "prove_override.tf").write_text(_BACKEND)
    (folder / "backend.hcl").write_text('path = "terraform.tfstate"\n')
    return Workspace(name, folder)


def _settings(name: str, account: str, region: str, now: datetime) -> dict[str, Any]:
    # The servers run from an hour ago for 23 hours, so that the schedule does not stop them during the proof.
    start, stop = (now - timedelta(hours=hours) for hours in (1, 2))
    return {
        "allowed_account_ids": [account],
        "region": region,
        "environment": name,
        "create_s3_bucket": True,
        "bucket_name_suffix": "once",
        "artifact_store_uri": None,
        "former_artifact_store_uris": [],
        _REQUIRED: True,
        "retained_mlflow_versions": [],
        "tracking_server_size": "Small",
        "weekly_maintenance_window_start": None,
        "schedule": {
            "start": f"cron(0 {start.hour} * * ? *)",
            "stop": f"cron(0 {stop.hour} * * ? *)",
            "time_zone": "UTC",
        },
        "notifications": {},
        "monthly_budget_usd": None,
        "replication": None,
        "model_package_readers": {},
        "object_lock": None,
        "access_logs": None,
        "backup": None,
        "monitoring": None,
        "delivery": None,
        # A domain would outlive a proof that is interrupted, with its file system.
        "studio": None,
        "backend": "server",
        # What only AWS can prove: SageMaker assumes a role whose trust policy has conditions.
        "harden_server_role": True,
        "create_role": True,
        "role_arn": None,
        "reader_role_names": [],
        "writer_role_names": [],
        "admin_role_names": [],
        # Names of what is outside, and what would keep the proof from removing its own.
        "bucket_name_override": None,
        "role_name_override": None,
        "tracking_server_name_override": {},
        "deletion_protected_from_role_names": [],
        "data_events": None,
    }
