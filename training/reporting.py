"""What the entry points share: the line that says why one failed, and the record of the data in the current run."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from training.checks import reason

if TYPE_CHECKING:
    from training.prepared import Facts


def fail(error: Exception) -> int:
    """Print one line on standard error. Returns the exit status for wrong input."""
    sys.stderr.write(f"error: {reason(error)}\n")
    return 2


def shown(value: float) -> str:
    """A score with four digits after the point, and of a small one with the four digits that tell it from others.

    Never with an exponent: a tuning job of SageMaker reads the scores from the log by a regular expression.
    """
    small = 0 < abs(value) < 0.1
    return f"{value:.{3 - math.floor(math.log10(abs(value)))}f}" if small else f"{value:.4f}"


def log_facts(facts: Facts) -> None:
    """Log what a data set is, if the program runs within an MLflow run (`mlflow run`, or a job of the pipeline)."""
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if not run_id:
        return
    import mlflow
    from mlflow.entities import Param, RunTag

    params = [Param(f"data.{name}", str(value)) for name, value in asdict(facts).items()]
    mlflow.MlflowClient().log_batch(run_id, params=params, tags=[RunTag("data.version", facts.version)])
