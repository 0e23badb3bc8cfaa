"""The MLflow run of a pipeline's execution. The runs of its steps are below it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MODEL_TAG = "pipeline.model"


def commit(folder: Path) -> str | None:
    """The git commit of a folder, with `-dirty` if files of the folder were changed since; None without git."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}-dirty" if changed else head


def open_run(
    client: MlflowClient, experiment_id: str, arn: str, *, source: str | None, version: str, tags: dict[str, str]
) -> str:
    """Create the run of an execution, or find it if one of its jobs was faster. Returns its id.

    Args:
        arn: the execution's ARN.
        source: the git commit.
        version: of the data; "" if it is not known yet.
        tags: more tags.
    """
    execution, pipeline = arn.rsplit("/", 1)[-1], arn.rsplit("/", 3)[-3]
    query = f"tags.`pipeline.execution` = '{execution}' and tags.`pipeline.step` = 'pipeline'"
    found = client.search_runs([experiment_id], query, max_results=1)
    all_tags = {
        **tags,
        "pipeline.execution": execution,
        "pipeline.name": pipeline,
        "pipeline.step": "pipeline",
        **({"mlflow.source.git.commit": source} if source else {}),
        **({"data.version": version} if version else {}),
    }
    if not found:
        created = client.create_run(experiment_id, tags=all_tags, run_name=f"{pipeline} {execution}")
        return str(created.info.run_id)
    for name, value in all_tags.items():
        client.set_tag(found[0].info.run_id, name, value)
    return str(found[0].info.run_id)


def close_run(client: MlflowClient, run_id: str, experiment_id: str, *, succeeded: bool) -> str | None:
    """End the run of an execution, and those of steps that were killed. Returns the URI of the registered version."""
    below = f"tags.`mlflow.parentRunId` = '{run_id}' and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment_id], below):
        client.set_terminated(run.info.run_id, "FAILED")
    client.set_terminated(run_id, "FINISHED" if succeeded else "FAILED")
    registered: str | None = client.get_run(run_id).data.tags.get(_MODEL_TAG)
    return registered


def close_ended(
    client: MlflowClient, experiment_id: str, pipeline: str, has_succeeded: Callable[[str], bool | None]
) -> None:
    """End the runs of a pipeline's executions that have ended since the command that followed them was interrupted.

    Args:
        has_succeeded: takes the id of an execution; None if it still runs.
    """
    query = (
        f"tags.`pipeline.name` = '{pipeline}' and tags.`pipeline.step` = 'pipeline' and attributes.status = 'RUNNING'"
    )
    for run in client.search_runs([experiment_id], query):
        execution = run.data.tags.get("pipeline.execution")
        succeeded = has_succeeded(execution) if execution else None
        if succeeded is not None:
            close_run(client, run.info.run_id, experiment_id, succeeded=succeeded)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
