"""The data sets: real ones that ship with scikit-learn, so that nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from training.params import Dataset


@dataclass(frozen=True)
class Split:
    """A data set in two parts. Both frames hold the feature columns and, last, the target column."""

    train: pd.DataFrame
    held_out: pd.DataFrame
    target: str
    source: str

    def features(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows without the target column."""
        return rows.drop(columns=self.target)


def load(dataset: Dataset, *, seed: int, held_out: float) -> Split:
    """Load a data set and split it. The same seed gives the same rows in the same order.

    iris: 150 flowers, 4 measurements in cm, `species` as a name; both parts have equal shares of each species.
    diabetes: 442 patients, 10 standardised measurements, `disease_progression` after one year.
    """
    from sklearn.model_selection import train_test_split

    frame, target = table(dataset)
    strata = frame[target] if dataset == "iris" else None
    train, rest = train_test_split(frame, test_size=held_out, random_state=seed, stratify=strata)
    source = f"sklearn.datasets.load_{dataset}"
    return Split(train.reset_index(drop=True), rest.reset_index(drop=True), target, source)


def table(dataset: Dataset) -> tuple[pd.DataFrame, str]:
    """A whole data set and the name of its target column, which is the last one."""
    from sklearn.datasets import load_diabetes, load_iris

    if dataset == "iris":
        iris = load_iris(as_frame=True)
        frame, target = iris.data, "species"
        frame[target] = iris.target_names[iris.target]
    else:
        diabetes = load_diabetes(as_frame=True)
        frame, target = diabetes.data, "disease_progression"
        frame[target] = diabetes.target
    return frame, target
