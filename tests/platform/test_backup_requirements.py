"""The nightly backup has all packages that the tool imports, in the versions with which the tests run."""

import re

from mlflow_platform.environment import REPOSITORY

PINNED = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)


def test_the_backup_jobs_packages_are_those_of_the_checkout() -> None:
    ours = dict(PINNED.findall((REPOSITORY / "requirements.lock").read_text()))
    jobs = dict(PINNED.findall((REPOSITORY / "terraform/module/mlflow/backup/requirements.lock").read_text()))
    assert {"boto3", "httpx", "typer"} <= jobs.keys()
    assert {name: ours.get(name) for name in jobs} == jobs


def test_the_job_has_all_packages_that_the_tool_imports() -> None:
    """The job's packages import each other, the standard library and locked packages, and nothing else."""
    for package in ("mlflow_common", "mlflow_transfer"):
        for file in (REPOSITORY / "src" / package).rglob("*.py"):
            assert not re.findall(
                r"^\s*(?:from|import) (?:mlflow_platform|scripts|training)", file.read_text(), re.MULTILINE
            )
    text = (REPOSITORY / "terraform/module/mlflow/backup.tf").read_text()
    assert '"src/{mlflow_common,mlflow_transfer}/**/*.{json,py,sql}"' in text
