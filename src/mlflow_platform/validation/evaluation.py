"""The evaluation that a run carries: its held-out rows, and what validations of its model have come to.

A run that follows these names can be validated, whoever trained it and with whatever: the artifact
`evaluation/held_out.csv` with the truth in it, the tag `evaluation.target` that names the truth's column and, where
that does not go without saying, `evaluation.task` (classification or regression).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError
from mlflow_platform.validation.scoring import Rows, Task, read, task_named

if TYPE_CHECKING:
    from mlflow import MlflowClient

HELD_OUT = "evaluation/held_out.csv"
TARGET_TAG = "evaluation.target"
TASK_TAG = "evaluation.task"
VALIDATION = "validation"
_OTHER_DATA = "pass rows of your own with --data FILE --target COL"


def fetch(client: MlflowClient, run_id: str, *, task: Task | None = None) -> Rows:
    """Fetch a run's held-out rows. The task is the run's unless one is given.

    Raises:
        InputError: there is no such run, or it has no held-out rows.
    """
    from mlflow.exceptions import MlflowException

    try:
        tags = client.get_run(run_id).data.tags
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise InputError(
            f"the run {run_id}, which the endpoint's tags name, is not on this server: {_OTHER_DATA}"
        ) from None
    target = tags.get(TARGET_TAG)
    if not target:
        raise InputError(f"the run {run_id} has no tag {TARGET_TAG}: {_OTHER_DATA}")
    with TemporaryDirectory() as folder:
        path = _download(client, run_id, Path(folder))
        task = task or task_named(tags.get(TASK_TAG))
        return read(path, target, task=task, origin=f"the run's {HELD_OUT}")


def log(
    client: MlflowClient, run_id: str, metrics: Mapping[str, float], files: Sequence[Path], *, endpoint: str
) -> None:
    """Log a validation's metrics and files to the model's run, under `validation/`; the last one counts."""
    from mlflow.entities import Metric, RunTag

    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(f"{VALIDATION}/{name}", value, now, 0) for name, value in metrics.items()],
        tags=[RunTag(f"{VALIDATION}.endpoint", endpoint)],
    )
    for file in files:
        client.log_artifact(run_id, str(file), VALIDATION)


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
