"""Train a model on a data set that ships with scikit-learn or on prepared data, and log it to MLflow.

Scripts and tests call `train`. As a program it is the entry point `train` of the MLflow project. It logs to the server
in MLFLOW_TRACKING_URI, as every MLflow project does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from training import data, features, models, prepared
from training.checks import LARGEST
from training.params import (
    DATASETS,
    DEFAULT_FAMILIES,
    FAMILIES,
    BoostParams,
    Dataset,
    ForestParams,
    GradientBoostingParams,
    LinearParams,
    Params,
    with_changes,
)
from training.reporting import fail, log_facts, shown
from training.result import Training
from training.scores import score

TASKS: Mapping[Dataset, models.Task] = {"iris": "classification", "diabetes": "regression"}
# What the entry point `tune` writes.
BEST = "best.json"


def train(dataset: Dataset, params: Params | None = None, report: models.Report | None = None) -> Training:
    """Train on a data set. Without parameters, its default ones are used.

    `report` receives each step and its held-out score, and may raise to stop the training.

    Raises:
        ValueError: the model family cannot learn the data set. The message names a family that can.
    """
    params = params or FAMILIES[DEFAULT_FAMILIES[dataset]]
    split = data.load(dataset, seed=params.seed, held_out=params.held_out)
    fitted = fit(params, split, TASKS[dataset], report or (lambda *_: None))
    predictions = fitted.model.predict(split.features(split.held_out))
    return Training(dataset, params, split, fitted, predictions, score(fitted.task, split, predictions))


def train_split(
    name: str, split: data.Split, task: models.Task, params: Params, report: models.Report | None = None
) -> Training:
    """Train on data that is already split. Text features are encoded, and the encoder becomes part of the model.

    Raises:
        ValueError: the family cannot learn this data. The message names one that can.
    """
    encoder, encoded = features.encode(split, params)
    fitted = fit(params, encoded, task, report or (lambda *_: None))
    if encoder is not None:
        if fitted.flavor == "xgboost":
            raise ValueError("the family xgboost takes numbers only, and the data has text. Use boosting or forest.")
        from sklearn.pipeline import Pipeline

        model = Pipeline([("columns", encoder), ("model", fitted.model)])
        fitted = models.Fitted(model, task, fitted.flavor, fitted.history)
    predictions = fitted.model.predict(split.features(split.held_out))
    return Training(name, params, split, fitted, predictions, score(task, split, predictions))


def choose(family: str | None, task: models.Task, tuned: Path | None, changes: Iterable[str]) -> Params:
    """The parameters of a training on prepared data.

    Args:
        family: by default that of the tuning, or the forest for classes and gradient boosting for numbers.
        tuned: the folder that the entry point `tune` wrote.
        changes: texts such as `max_depth=3`. They take precedence over the tuning.

    Raises:
        ValueError: a wrong parameter, or no result of a tuning in `tuned`.
    """
    best: dict[str, object] = {}
    if tuned:
        try:
            found = json.loads((tuned / BEST).read_text(encoding="utf-8"))
            family, best = family or str(found["family"]), dict(found["params"]) if found["family"] else {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{tuned / BEST} cannot be read ({error}). Run the entry point tune first.") from None
        if family != found["family"]:
            best = {}
    family = family or ("forest" if task == "classification" else "boosting")
    if family not in FAMILIES:
        raise ValueError(f"there is no model family {family!r}. The families are {', '.join(FAMILIES)}.")
    return with_changes(FAMILIES[family], [*(f"{name}={value}" for name, value in best.items()), *changes])


def fit(params: Params, split: data.Split, task: models.Task, report: models.Report) -> models.Fitted:
    """Fit the model of the family whose parameters these are.

    Raises:
        ValueError: the family cannot learn this task. The message names a family that can.
    """
    match params:
        case ForestParams():
            return models.fit_forest(params, split, task, report)
        case GradientBoostingParams():
            return models.fit_gradient_boosting(params, split, task, report)
        case LinearParams():
            return models.fit_linear(params, split, task, report)
        case BoostParams() if task == "regression":
            if any(rows[split.target].abs().max() > LARGEST for rows in (split.train, split.held_out)):
                raise ValueError(
                    f"the family xgboost takes numbers up to {LARGEST:.2g}, and {split.target!r} has larger ones. Use "
                    "boosting or forest, or scale the column."
                )
            return models.fit_boosted_trees(params, split, report)
    raise ValueError("the family xgboost is for regression. Use the family boosting or forest for classes.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, log and print the metrics. Returns the exit status, which is 2 for a wrong parameter or unusable data."""
    parser = argparse.ArgumentParser(description="Train a model and log it to MLflow (MLFLOW_TRACKING_URI).")
    parser.add_argument("--dataset", choices=DATASETS, default="iris", help="the data set (default: iris)")
    parser.add_argument(
        "--data", default="", metavar="FILE", help="train a random forest on a file, or the one of a folder"
    )
    parser.add_argument("--target", default="", metavar="COL", help="the column of --data that holds the truth")
    parser.add_argument("--prepared", default="", metavar="DIR", help="train on what prepare.py wrote instead")
    parser.add_argument("--tuned", default="", metavar="DIR", help="use the parameters that tune.py found")
    parser.add_argument("--model", default="", metavar="DIR", help="write the model into this folder too")
    parser.add_argument("--family", default="", help=f"{', '.join(FAMILIES)} (default: the data set's)")
    parser.add_argument("--seed", type=int, help="the seed of the split and the model")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change parameters, separated by commas"
    )
    options = parser.parse_args(arguments)
    try:
        # A wrong parameter is found before MLflow is imported, which takes seconds.
        work = _work(options)
        training = work()
    except ValueError as error:
        return fail(error)
    from training.record import record, save

    recorded = record(training)
    if options.model:
        save(recorded, Path(options.model))
    for name, value in training.metrics.items():
        sys.stdout.write(f"{name}: {shown(value)}\n")
    sys.stdout.write(f"run: {recorded.run_id}\n")
    return 0


def _work(options: argparse.Namespace) -> Callable[[], Training]:
    """The training that the options describe.

    Raises:
        ValueError: a wrong parameter or unusable data.
    """
    changes = [change for text in options.set for change in text.split(",") if change]
    changes += [] if options.seed is None else [f"seed={options.seed}"]
    if options.data:
        return _own_data(options, changes)
    if not options.prepared:
        family = options.family or DEFAULT_FAMILIES[options.dataset]
        if family not in FAMILIES:
            raise ValueError(f"there is no model family {family!r}. The families are {', '.join(FAMILIES)}.")
        params = with_changes(FAMILIES[family], changes)
        return lambda: train(options.dataset, params)
    split, facts = prepared.read(Path(options.prepared))
    log_facts(facts)
    params = choose(options.family or None, facts.task, Path(options.tuned) if options.tuned else None, changes)
    return lambda: train_split(facts.name, split, facts.task, params)


def _own_data(options: argparse.Namespace, changes: Sequence[str]) -> Callable[[], Training]:
    """The training of a random forest on a file as it is, as `log_run.py` and `sweep.py` train it.

    Raises:
        ValueError: a wrong parameter, or not one file.
    """
    from mlflow_common.errors import InputError
    from training import tables

    if not options.target or options.prepared:
        raise ValueError("--data needs --target COL, the column with the truth, and does not go with --prepared.")
    if options.family not in ("", "forest"):
        raise ValueError("--data FILE trains a random forest: leave out --family.")
    path = Path(options.data)
    if path.is_dir():
        # A channel of a SageMaker job.
        files = [file for file in sorted(path.iterdir()) if file.is_file()]
        if len(files) != 1:
            raise ValueError(f"{path} holds {len(files)} files. It must hold one.")
        path = files[0]
    params = cast("ForestParams", with_changes(ForestParams(), changes))

    def work() -> Training:
        try:
            training = tables.train(path, options.target, params)
        except InputError as error:
            raise ValueError(error.message) from None
        version = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        rows = len(training.split.train), len(training.split.held_out)
        log_facts(prepared.Facts(path.stem, options.target, training.fitted.task, version, *rows))
        return training

    return work


if __name__ == "__main__":
    sys.exit(main())
