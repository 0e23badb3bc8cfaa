"""The nightly backup installs the versions that everything else here is tested with."""

import re

from scripts.mlops.environment import REPOSITORY

PINNED = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)


def test_the_backup_jobs_packages_are_those_of_the_checkout() -> None:
    ours = dict(PINNED.findall((REPOSITORY / "requirements.lock").read_text()))
    jobs = dict(PINNED.findall((REPOSITORY / "terraform/module/mlflow/backup/requirements.lock").read_text()))
    assert {"boto3", "httpx", "typer"} <= jobs.keys()
    assert {name: ours.get(name) for name in jobs} == jobs
