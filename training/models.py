"""The models: how each is fitted, how it is scored while it grows, and what serving it requires.

Both are fitted with one thread: several threads add up numbers in any order, and the same seed must give the same
predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from training.data import Split
    from training.params import BoostParams, ForestParams

Task = Literal["classification", "regression"]
Flavor = Literal["sklearn", "xgboost"]
History = Mapping[str, Sequence[tuple[int, float]]]

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


def fit_forest(params: ForestParams, split: Split) -> Fitted:
    """Grow a random forest step by step. A step is a number of trees."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        warm_start=True,
        max_depth=params.max_depth,
        min_samples_leaf=params.min_samples_leaf,
        random_state=params.seed,
        n_jobs=1,
    )
    train, held_out = split.features(split.train), split.features(split.held_out)
    # A NumPy array, because skops cannot store pandas' string type.
    labels = split.train[split.target].to_numpy(dtype=str)
    truth = split.held_out[split.target].to_numpy(dtype=str)
    history = grow(forest, params, [train, held_out], [labels, truth], "classification")
    return Fitted(forest, "classification", "sklearn", history)


def grow(forest: Any, params: ForestParams, inputs: Sequence[Any], labels: Sequence[Any], task: Task) -> History:
    """Fit a forest step by step, and score it on training and held-out rows after each step.

    Args:
        forest: a forest with `warm_start`.
        inputs, labels: those of the training rows, then those of the held-out rows.
    """
    from sklearn.metrics import accuracy_score, root_mean_squared_error

    name, score = ("accuracy", accuracy_score) if task == "classification" else ("rmse", root_mean_squared_error)
    history: dict[str, list[tuple[int, float]]] = {f"train_{name}": [], name: []}
    steps = range(params.trees_per_step, params.n_estimators, params.trees_per_step)
    for trees in [*steps, params.n_estimators]:
        forest.set_params(n_estimators=trees).fit(inputs[0], labels[0])
        for key, given, true in zip(history, inputs, labels, strict=True):
            history[key].append((trees, float(score(true, forest.predict(given)))))
    return history


def fit_boosted_trees(params: BoostParams, split: Split) -> Fitted:
    """Boost regression trees round by round. A step is a number of rounds."""
    from xgboost import XGBRegressor

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
    )
    pairs = [(split.features(rows), rows[split.target]) for rows in (split.train, split.held_out)]
    booster.fit(*pairs[0], eval_set=pairs, verbose=False)
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
