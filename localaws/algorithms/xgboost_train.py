"""SageMaker's built-in algorithm XGBoost, trained with the XGBoost of this Python environment.

It is copied into the job's folder and needs nothing of localaws. A problem becomes the job's failure reason.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html and, for what the page leaves open,
https://github.com/aws/sagemaker-xgboost-container (algorithm_mode/train.py, data_utils.py).
"""

import csv
import json
import os
import pickle
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost

MODEL = "xgboost-model"
CSV = ("csv", "text/csv")
LIBSVM = ("libsvm", "text/libsvm", "text/x-libsvm")
PARQUET = ("parquet", "application/x-parquet")
# Hyperparameters of the algorithm that the library does not have.
_OWN = (
    *("num_round", "early_stopping_rounds", "csv_weights", "save_model_on_termination", "silent"),
    *("use_dask_gpu_training", "_tuning_objective_metric", "eval_metric", "objective"),
)
# The former name, which newer versions of the library refuse.
_OBJECTIVES = {"reg:linear": "reg:squarederror"}


class Progress(xgboost.callback.TrainingCallback):  # type: ignore[misc]  # It has no types.
    """Writes the metrics of each round as SageMaker's expressions find them."""

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Write a line. Returns whether to stop."""
        parts = [f"{data}-{name}:{found[-1]:.5f}" for data, all_ in evals_log.items() for name, found in all_.items()]
        sys.stdout.write("#011".join([f"[{epoch}]", *parts]) + "\n")
        sys.stdout.flush()
        return False


def train(base: Path) -> None:
    """Train on the channels `train` and `validation`, and write the model.

    Raises:
        ValueError: a hyperparameter or the data cannot be used.
    """
    config = base / "input" / "config"
    given: dict[str, str] = json.loads((config / "hyperparameters.json").read_text())
    channels: dict[str, Any] = json.loads((config / "inputdataconfig.json").read_text())
    if "train" not in channels:
        raise ValueError("Missing required channel 'train'")
    if "num_round" not in given:
        raise ValueError("Missing required hyperparameter: num_round")
    if "_kfold" in given:
        raise ValueError("localaws does not run k-fold cross validation (_kfold)")
    weights = given.get("csv_weights") == "1"
    data = {
        name: read(base / "input" / "data" / name, channels[name].get("ContentType"), weights=weights)
        for name in ("train", "validation")
        if name in channels
    }
    metrics = list(dict.fromkeys(_metrics(given)))
    parameters: dict[str, Any] = {name: value for name, value in given.items() if name not in _OWN}
    if "objective" in given:
        parameters["objective"] = _OBJECTIVES.get(given["objective"], given["objective"])
    callbacks: list[Any] = [Progress()]
    if "early_stopping_rounds" in given:
        metric = metrics[-1] if metrics else None
        rounds = int(given["early_stopping_rounds"])
        callbacks.append(
            xgboost.callback.EarlyStopping(rounds=rounds, metric_name=metric, data_name="validation", save_best=True)
        )
    booster = xgboost.train(
        {**parameters, **({"eval_metric": metrics} if metrics else {})},
        data["train"],
        num_boost_round=int(given["num_round"]),
        evals=[(matrix, name) for name, matrix in data.items()],
        callbacks=callbacks,
        verbose_eval=False,
    )
    save(booster, base / "model" / MODEL)


def read(folder: Path, content_type: str | None, *, weights: bool) -> xgboost.DMatrix:
    """The rows of a channel. The label is the first column, then comes the weight if there is one.

    Raises:
        ValueError: the folder has no data, or data of another type.
    """
    kind = (content_type or LIBSVM[0]).partition(";")[0].strip().lower()
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "_")))
    if not files:
        raise ValueError(f"No data in {folder.name} channel path {folder}")
    if kind in LIBSVM:
        return _sparse(files)
    if kind not in CSV + PARQUET:
        raise ValueError(f"{content_type} is not an accepted ContentType: {', '.join(CSV + LIBSVM + PARQUET)}.")
    table = pd.concat([_table(file, kind) for file in files], ignore_index=True).to_numpy(dtype=float)
    features = table[:, 2 if weights else 1 :]
    return xgboost.DMatrix(features, label=table[:, 0], weight=table[:, 1] if weights else None)


def save(booster: xgboost.Booster, file: Path) -> None:
    """Write the model in the format of the image's version: before 1.3 a pickle, else the library's own."""
    if os.environ.get("XGBOOST_MODEL_FORMAT") == "pickle":
        file.write_bytes(pickle.dumps(booster))
    else:
        file.write_bytes(booster.save_raw("ubj"))


def _metrics(given: Mapping[str, str]) -> list[str]:
    names = [name.strip() for name in given.get("eval_metric", "").strip("[]").split(",")]
    names.append(given.get("_tuning_objective_metric", "").partition(":")[2])
    return [name.strip("\"' ") for name in names if name.strip("\"' ")]


def _table(file: Path, kind: str) -> pd.DataFrame:
    try:
        if kind in PARQUET:
            return pd.read_parquet(file)
        with file.open(encoding="utf-8") as lines:
            line = lines.readline().strip()
        delimiter = csv.Sniffer().sniff(line).delimiter if line else ","
        return pd.read_csv(file, sep=delimiter, header=None, dtype=float, encoding="utf-8")
    except (ValueError, OSError, csv.Error) as error:
        raise ValueError(f"Failed to load {kind} data of {file.name}: {' '.join(str(error).split())}") from None


def _sparse(files: list[Path]) -> xgboost.DMatrix:
    from scipy.sparse import vstack
    from sklearn.datasets import load_svmlight_files

    try:
        parts = load_svmlight_files([str(file) for file in files], zero_based=True)
    except ValueError as error:
        names = ", ".join(file.name for file in files)
        raise ValueError(f"{names} is not in the format LIBSVM ({error}). Set the channel's ContentType.") from None
    return xgboost.DMatrix(vstack(parts[::2]), label=np.concatenate(parts[1::2]))


def main() -> int:
    """Train. Returns the exit status."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    try:
        train(base)
    except Exception as error:
        traceback.print_exc()
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        (base / "output" / "failure").write_text(" ".join(lines)[:1024], encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
