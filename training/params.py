"""The parameters of a training: typed, and checked before the training starts.

A run is reproducible from its parameters alone: the data sets ship with scikit-learn, the split and the model depend on
`seed`, and nothing reads the clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

Dataset = Literal["iris", "diabetes"]
DATASETS: tuple[Dataset, ...] = get_args(Dataset)
# NumPy's generators take seeds of 32 bits.
SEEDS = 2**32


@dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters of every training: the seed of all randomness, and the share of rows that is held out."""

    seed: int = 7
    held_out: float = 0.3

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: a value is out of range. The message names the parameter and its range.
        """
        # With a share nearer to 0 or 1, one part of a small data set lacks a class.
        if not 0.05 <= self.held_out <= 0.95:
            raise ValueError(f"held_out is the share of rows held out: from 0.05 to 0.95, not {self.held_out}")
        if not 0 <= self.seed < SEEDS:
            raise ValueError(f"seed must be from 0 to {SEEDS - 1}, not {self.seed}")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "seed" and not 0 < value < math.inf:
                raise ValueError(f"{field.name} must be more than 0, not {value}")

    def as_strings(self) -> dict[str, str]:
        """The parameters as MLflow stores them."""
        return {name: str(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class ForestParams(Params):
    """Random forest on iris. The forest grows by `trees_per_step` trees at a time and is scored after each step."""

    n_estimators: int = 50
    trees_per_step: int = 5
    max_depth: int = 5
    min_samples_leaf: int = 2


@dataclass(frozen=True, kw_only=True)
class BoostParams(Params):
    """Gradient-boosted trees on diabetes. XGBoost computes the scores after every boosting round."""

    n_estimators: int = 150
    learning_rate: float = 0.05
    max_depth: int = 2
    min_child_weight: float = 5.0
    subsample: float = 0.7
    colsample_bytree: float = 0.7

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: a value is out of range. The message names the parameter and its range.
        """
        super().__post_init__()
        for name in ("subsample", "colsample_bytree"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is a share: more than 0 and at most 1, not {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class LinearParams(Params):
    """Logistic regression for classes, ridge regression for numbers, on standardised features."""

    # Ridge's alpha, and 1/C of the logistic regression.
    regularization: float = 1.0
    max_iter: int = 1000


@dataclass(frozen=True, kw_only=True)
class GradientBoostingParams(Params):
    """scikit-learn's gradient-boosted trees. It grows by `trees_per_step` trees and is scored after each step."""

    n_estimators: int = 100
    trees_per_step: int = 10
    learning_rate: float = 0.1
    max_depth: int = 2
    subsample: float = 0.8

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: a value is out of range. The message names the parameter and its range.
        """
        super().__post_init__()
        if self.subsample > 1:
            raise ValueError(f"subsample is a share: more than 0 and at most 1, not {self.subsample}")


# The model families by name, with their default parameters.
FAMILIES: Mapping[str, Params] = {
    "forest": ForestParams(),
    "xgboost": BoostParams(),
    "linear": LinearParams(),
    "boosting": GradientBoostingParams(),
}
# The values that a sweep of a family tries if it is given no others, written as `scripts/sweep.py --param` takes them.
GRIDS: Mapping[str, tuple[str, ...]] = {
    "forest": ("n_estimators=20,50,100", "max_depth=2,3,5,8", "min_samples_leaf=1,2,5"),
    "xgboost": ("n_estimators=50,150", "learning_rate=0.02,0.05,0.1", "max_depth=2,3,4"),
    "linear": ("regularization=0.001..100:log:12",),
    "boosting": ("n_estimators=50,100", "learning_rate=0.02,0.05,0.1", "max_depth=1,2,3"),
}
DEFAULT_FAMILIES: Mapping[Dataset, str] = {"iris": "forest", "diabetes": "xgboost"}
DEFAULTS: Mapping[Dataset, Params] = {"iris": ForestParams(), "diabetes": BoostParams()}


def with_changes(params: Params, changes: Iterable[str]) -> Params:
    """Apply changes written as `name=value` (as in `n_estimators=50`) to parameters.

    Raises:
        ValueError: an unknown name, a value of another type, or a value that is out of range.
    """
    types = {field.name: type(getattr(params, field.name)) for field in fields(params)}
    values: dict[str, Any] = {}
    for change in changes:
        name, separator, text = change.partition("=")
        if not separator or name not in types:
            raise ValueError(f"{change!r} is not NAME=VALUE with a NAME out of {', '.join(types)}")
        try:
            values[name] = types[name](text)
        except ValueError:
            raise ValueError(f"{name} takes a number of type {types[name].__name__}, not {text!r}") from None
    return replace(params, **values)
