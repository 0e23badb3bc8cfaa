"""The evaluation that a run carries: its held-out rows, and the results of its model's validations.

A run that follows these names can be validated, whatever trained it: the artifact `evaluation/held_out.csv` with the
truth in it, the tag `evaluation.target` with the name of the truth's column and, where the rows do not show it, the tag
`evaluation.task` (classification or regression).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError
from mlflow_platform.environment import lies_in
from mlflow_platform.validation import files
from mlflow_platform.validation.rows import Task, task_named
from mlflow_platform.validation.table import Table

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

HELD_OUT = "evaluation/held_out.csv"
TARGET_TAG = "evaluation.target"
TASK_TAG = "evaluation.task"
VALIDATION = "validation"
_OTHER_DATA = "pass rows of your own with --data FILE --target COL"


@dataclass(frozen=True)
class HeldOut:
    """A run's held-out rows, the name of the truth's column and, if the run states it, the task."""

    table: Table
    target: str
    task: Task | None


def find_run(client: MlflowClient, run_id: str) -> Run | None:
    """The run, or None where the server has none of that id, or only a deleted one."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        # MLflow 3 answers an id that cannot be one with the second.
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise
        return None
    return run if run.info.lifecycle_stage == "active" else None


def task_of(client: MlflowClient | None, run_id: str | None) -> Task | None:
    """The task that a run states; None if it states none, or cannot be read."""
    from mlflow.exceptions import MlflowException

    try:
        run = find_run(client, run_id) if client and run_id else None
    except MlflowException:
        # Rows of the user's own need no run.
        return None
    return task_named(run.data.tags.get(TASK_TAG)) if run else None


def fetch(client: MlflowClient, run_id: str, *, stores: Sequence[str] | None = None) -> HeldOut:
    """Fetch a run's held-out rows.

    Args:
        client: of the environment's tracking server.
        run_id: the run.
        stores: the URIs below which the environment's artifacts are. A run may name any other place, such as a file of
            this machine: it is then not read.

    Raises:
        InputError: the run does not exist, it has no held-out rows, or they are not in these stores.
    """
    run = find_run(client, run_id)
    if run is None:
        raise InputError(
            f"the run {run_id}, which the endpoint's tags name, is not on this server: {_OTHER_DATA}"
        ) from None
    tags = run.data.tags
    target = tags.get(TARGET_TAG)
    if not target:
        raise InputError(f"the run {run_id} has no tag {TARGET_TAG}: {_OTHER_DATA}")
    if outside := stray(run, stores):
        raise InputError(f"{outside}: {_OTHER_DATA}")
    with TemporaryDirectory() as folder:
        path = _download(client, run_id, Path(folder))
        return HeldOut(files.read(path, target), target, task_named(tags.get(TASK_TAG)))


def stray(run: Run, stores: Sequence[str] | None) -> str | None:
    """Says that a run's artifacts are in none of these stores; None if they are in one, or if any place will do."""
    root = str(run.info.artifact_uri)
    if stores is None or lies_in(root, stores):
        return None
    return f"the artifacts of run {run.info.run_id} are at {root}, outside of {', '.join(stores)}"


def log(
    client: MlflowClient, run_id: str, metrics: Mapping[str, float], paths: Sequence[Path], *, endpoint: str
) -> None:
    """Log a validation's metrics and files to the model's run, under `validation/`. A later one replaces them."""
    from mlflow.entities import Metric, RunTag

    now = int(time.time() * 1000)
    # It is only computed if predictions are missing, and would stay what an earlier validation logged.
    complete = {"missing_predictions": 0.0, **metrics}
    client.log_batch(
        run_id,
        metrics=[Metric(f"{VALIDATION}/{name}", value, now, 0) for name, value in complete.items()],
        tags=[RunTag(f"{VALIDATION}.endpoint", endpoint)],
    )
    for path in paths:
        client.log_artifact(run_id, str(path), VALIDATION)


def _download(client: MlflowClient, run_id: str, folder: Path) -> Path:
    from mlflow.exceptions import MlflowException

    try:
        return Path(client.download_artifacts(run_id, HELD_OUT, str(folder)))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST" and "No such" not in str(error):
            raise
        # MLflow says the same of a file that S3 denies.
        raise InputError(
            f"the run {run_id} has no artifact {HELD_OUT}, or these credentials may not read it: {_OTHER_DATA}"
        ) from None
