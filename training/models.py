"""The models: how each is fitted, how it is scored while it grows, and what serving it requires.

All are fitted with one thread: several threads add up numbers in any order, and the same seed must give the same
predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from training.data import Split
    from training.params import BoostParams, ForestParams, GradientBoostingParams, LinearParams

Task = Literal["classification", "regression"]
Flavor = Literal["sklearn", "xgboost"]
History = Mapping[str, Sequence[tuple[int, float]]]
# Receives a step and the held-out score after it. It may raise to stop the training.
Report = Callable[[int, float], None]

# scikit-learn's tree is a compiled class that skops does not know. It holds arrays of numbers and no code. MLflow
# writes this list into the MLmodel file and trusts it when it loads the model. Its other formats run code from files.
TRUSTED_TYPES = ["sklearn.tree._tree.Tree"]

# mlflow-skinny is the part of MLflow that serves models. The whole package has the tracking server too and makes the
# environment twice as large (620 MB instead of 330 MB).
_REQUIREMENTS: Mapping[Flavor, tuple[str, ...]] = {
    "sklearn": ("mlflow-skinny", "numpy", "pandas", "scikit-learn", "scipy", "skops"),
    "xgboost": ("mlflow-skinny", "numpy", "pandas", "scikit-learn", "scipy", "xgboost-cpu"),
}


@dataclass(frozen=True)
class Fitted:
    """A fitted model. `history` has the scores during the training: metric -> (step, value) pairs."""

    model: Any
    task: Task
    flavor: Flavor
    history: History


class DivergedError(ValueError):
    """A training whose score is NaN or infinite. Other parameters may do better."""


def _ignore(step: int, score: float) -> None:
    """Report nothing."""


def new_forest(params: ForestParams, task: Task) -> Any:
    """A random forest that `grow` can train."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    return (RandomForestClassifier if task == "classification" else RandomForestRegressor)(
        warm_start=True,
        max_depth=params.max_depth,
        min_samples_leaf=params.min_samples_leaf,
        random_state=params.seed,
        n_jobs=1,
    )


def fit_forest(params: ForestParams, split: Split, task: Task, report: Report = _ignore) -> Fitted:
    """Grow a random forest step by step. A step is a number of trees."""
    forest = new_forest(params, task)
    history = grow(forest, params, *_parts(split, task), task, report)
    return Fitted(forest, task, "sklearn", history)


def fit_gradient_boosting(params: GradientBoostingParams, split: Split, task: Task, report: Report = _ignore) -> Fitted:
    """Boost scikit-learn's trees step by step. A step is a number of trees."""
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    booster = (GradientBoostingClassifier if task == "classification" else GradientBoostingRegressor)(
        warm_start=True,
        learning_rate=params.learning_rate,
        max_depth=params.max_depth,
        subsample=params.subsample,
        random_state=params.seed,
    )
    history = grow(booster, params, *_parts(split, task), task, report)
    return Fitted(booster, task, "sklearn", history)


def fit_linear(params: LinearParams, split: Split, task: Task, report: Report = _ignore) -> Fitted:
    """Fit a logistic regression (classes) or a ridge regression (numbers). It has one step."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if task == "classification":
        last = LogisticRegression(C=1 / params.regularization, max_iter=params.max_iter, random_state=params.seed)
    else:
        last = Ridge(alpha=params.regularization, max_iter=params.max_iter, random_state=params.seed)
    model = make_pipeline(StandardScaler(), last)
    inputs, labels = _parts(split, task)
    model.fit(inputs[0], labels[0])
    name, score = _score_of(task)
    values = [_scored(score, true, model.predict(given)) for given, true in zip(inputs, labels, strict=True)]
    report(1, values[1])
    return Fitted(model, task, "sklearn", {f"train_{name}": [(1, values[0])], name: [(1, values[1])]})


def _parts(split: Split, task: Task) -> tuple[list[Any], list[Any]]:
    """Inputs and labels of the training rows, then of the held-out rows."""
    parts = (split.train, split.held_out)
    return [split.features(rows) for rows in parts], [labels(rows[split.target], task) for rows in parts]


def labels(truth: pd.Series[Any], task: Task) -> Any:
    """The true values as a NumPy array, because skops cannot store pandas' string type."""
    if task == "regression":
        return truth.to_numpy(dtype=float)
    return truth.to_numpy() if truth.dtype.kind in "bif" else truth.to_numpy(dtype=str)


def _score_of(task: Task) -> tuple[str, Callable[..., float]]:
    from sklearn.metrics import accuracy_score, root_mean_squared_error

    return ("accuracy", accuracy_score) if task == "classification" else ("rmse", root_mean_squared_error)


def _scored(score: Callable[..., float], true: Any, predicted: Any) -> float:
    check_finite(predicted)
    return float(score(true, predicted))


def check_finite(predicted: Any) -> None:
    """Refuse predictions that have no score.

    Raises:
        DivergedError: one is NaN or infinite.
    """
    import numpy as np

    values = np.asarray(predicted)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DivergedError("the model predicts infinity or NaN. Check the parameters, or scale the numbers.")


def grow(
    model: Any,
    params: ForestParams | GradientBoostingParams,
    inputs: Sequence[Any],
    labels: Sequence[Any],
    task: Task,
    report: Report = _ignore,
) -> History:
    """Fit an ensemble step by step, and score it on training and held-out rows after each step.

    Args:
        model: an ensemble of trees with `warm_start`.
        inputs, labels: those of the training rows, then those of the held-out rows.
        report: receives each step and its held-out score.
    """
    name, score = _score_of(task)
    history: dict[str, list[tuple[int, float]]] = {f"train_{name}": [], name: []}
    steps = range(params.trees_per_step, params.n_estimators, params.trees_per_step)
    for trees in [*steps, params.n_estimators]:
        model.set_params(n_estimators=trees).fit(inputs[0], labels[0])
        for key, given, true in zip(history, inputs, labels, strict=True):
            history[key].append((trees, _scored(score, true, model.predict(given))))
        report(*history[name][-1])
    return history


def fit_boosted_trees(params: BoostParams, split: Split, report: Report = _ignore) -> Fitted:
    """Boost XGBoost's regression trees round by round. A step is a number of rounds."""
    from xgboost import XGBRegressor
    from xgboost.callback import TrainingCallback

    def after_iteration(_: Any, __: Any, epoch: int, scores: Any) -> bool:
        report(epoch + 1, float(scores["validation_1"]["rmse"][-1]))
        return False

    reporting = type("Reporting", (TrainingCallback,), {"after_iteration": after_iteration})
    booster = XGBRegressor(
        n_estimators=params.n_estimators,
        learning_rate=params.learning_rate,
        max_depth=params.max_depth,
        min_child_weight=params.min_child_weight,
        subsample=params.subsample,
        colsample_bytree=params.colsample_bytree,
        random_state=params.seed,
        eval_metric="rmse",
        tree_method="hist",
        n_jobs=1,
        callbacks=[reporting()],
    )
    pairs = [(split.features(rows), rows[split.target]) for rows in (split.train, split.held_out)]
    booster.fit(*pairs[0], eval_set=pairs, verbose=False)
    # The callback is not part of the model.
    booster.set_params(callbacks=None)
    scores = booster.evals_result()
    curves = {
        name: [(round_, float(value)) for round_, value in enumerate(scores[key]["rmse"], start=1)]
        for name, key in (("train_rmse", "validation_0"), ("rmse", "validation_1"))
    }
    return Fitted(booster, "regression", "xgboost", curves)


def requirements(flavor: Flavor) -> list[str]:
    """The packages that serving such a model requires, in exactly the versions that trained it.

    MLflow takes six seconds to guess them if they are not given.
    """
    return [f"{package}=={version(package)}" for package in _REQUIREMENTS[flavor]]
