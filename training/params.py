"""Every number that a training run depends on, typed and in one place.

A run is reproducible from its parameters alone: the data sets ship inside scikit-learn, the split and
the model are drawn from `seed`, and nothing reads the clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

Dataset = Literal["iris", "diabetes"]
DATASETS: tuple[Dataset, ...] = get_args(Dataset)
# NumPy's generators take so many.
SEEDS = 2**32


@dataclass(frozen=True, kw_only=True)
class Params:
    """What every training has: the seed of all randomness, and the share of rows held out."""

    seed: int = 7
    held_out: float = 0.3

    def __post_init__(self) -> None:
        """Refuse what no training can mean, before any work is done.

        Raises:
            ValueError: naming the parameter and the values it takes.
        """
        # Nearer to 0 or 1, one part of a small data set has no rows of each kind.
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
    """Random forest on iris. The forest grows `trees_per_step` trees at a time and is scored after each."""

    n_estimators: int = 50
    trees_per_step: int = 5
    max_depth: int = 5
    min_samples_leaf: int = 2


@dataclass(frozen=True, kw_only=True)
class BoostParams(Params):
    """Gradient-boosted trees on diabetes. XGBoost scores every boosting round."""

    n_estimators: int = 150
    learning_rate: float = 0.05
    max_depth: int = 2
    min_child_weight: float = 5.0
    subsample: float = 0.7
    colsample_bytree: float = 0.7

    def __post_init__(self) -> None:
        """Refuse what no training can mean, before any work is done.

        Raises:
            ValueError: naming the parameter and the values it takes.
        """
        super().__post_init__()
        for name in ("subsample", "colsample_bytree"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is a share: more than 0 and at most 1, not {getattr(self, name)}")


DEFAULTS: Mapping[Dataset, Params] = {"iris": ForestParams(), "diabetes": BoostParams()}


def with_changes(params: Params, changes: Iterable[str]) -> Params:
    """Apply changes written as `name=value` (as in `n_estimators=50`) to parameters.

    Raises:
        ValueError: for an unknown name, a value of another type, or a value no training can mean.
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
