"""Evaluate a model on the held-out rows of prepared data.

As a program it is the entry point `evaluate` of the MLflow project. It writes `evaluation.json`, which the pipeline's
condition reads: `{"metrics": {"accuracy": {"value": 0.95}}}`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training import prepared
from training.reporting import fail, log_facts, shown
from training.scores import score

if TYPE_CHECKING:
    import pandas as pd

REPORT = "evaluation.json"


def evaluate(model: Path, folder: Path) -> dict[str, float]:
    """The scores of an MLflow model on the held-out rows.

    Args:
        model: the folder with the MLmodel file, or its only ancestor.
        folder: what prepare.py wrote.

    Raises:
        ValueError: a folder does not hold what it should, the model does not accept the rows, or they are too few for a
            score.
    """
    found = sorted(model.rglob("MLmodel"))
    if not found:
        raise ValueError(f"{model} holds no MLflow model. Run the entry point train with --model first.")
    split, facts = prepared.read(folder)
    log_facts(facts)
    predictions = _predict(found[0].parent, split.features(split.held_out))
    try:
        return score(facts.task, split, predictions)
    except TypeError as error:
        raise ValueError(f"the predictions of {found[0].parent} cannot be scored: {_reason(error)}") from None


def _predict(model: Path, rows: pd.DataFrame) -> Any:
    import mlflow.pyfunc

    try:
        loaded = mlflow.pyfunc.load_model(str(model))
    except Exception as error:  # A damaged file raises any exception.
        raise ValueError(f"the model in {model} cannot be loaded: {_reason(error)}") from None
    try:
        return loaded.predict(rows)
    except Exception as error:  # The model's code raises any exception.
        raise ValueError(f"the model in {model} does not accept the rows: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    # MLflow writes all rows in front of the reason.
    lines = str(error).rpartition("Error: ")[2].strip().splitlines()
    return lines[0].rstrip(".")[:300] if lines else type(error).__name__


def write(metrics: Mapping[str, float], folder: Path) -> None:
    """Write the report."""
    folder.mkdir(parents=True, exist_ok=True)
    report = {"metrics": {name: {"value": value} for name, value in metrics.items()}}
    (folder / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate, log and print the scores. Returns the exit status, which is 2 for wrong input."""
    parser = argparse.ArgumentParser(description="Evaluate a model on held-out rows.")
    parser.add_argument("--model", default="model", metavar="DIR", help="what train.py --model wrote")
    parser.add_argument("--prepared", default="prepared", metavar="DIR", help="what prepare.py wrote")
    parser.add_argument("--output", default="report", metavar="DIR", help="the folder for evaluation.json")
    options = parser.parse_args(arguments)
    try:
        metrics = evaluate(Path(options.model), Path(options.prepared))
        write(metrics, Path(options.output))
    except (ValueError, OSError) as error:
        return fail(error)
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if run_id:
        import mlflow
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        mlflow.MlflowClient().log_batch(run_id, metrics=[Metric(name, one, now, 0) for name, one in metrics.items()])
    for name, value in metrics.items():
        sys.stdout.write(f"{name}: {shown(value)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
