"""Encodes text features as numbers, so that every model family can learn from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from training.data import Split

if TYPE_CHECKING:
    import pandas as pd

    from training.params import Params

# Each text column becomes one column for each of its most frequent values.
MOST_VALUES = 50
# Families whose trees accept missing numbers.
_ACCEPT_MISSING = ("ForestParams", "BoostParams")


def plain(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    """The table with features as floating-point numbers, booleans or complete text."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for name in (column for column in frame if column != target):
        values = frame[name]
        if values.dtype.kind == "b":
            columns[str(name)] = values
        elif values.dtype.kind in "if":
            columns[str(name)] = values.astype(float)
        else:
            # A missing text is the empty text, because a request to an endpoint cannot tell them apart.
            columns[str(name)] = values.astype(object).where(values.notna(), "").astype(str).astype(object)
    truth = frame[target]
    columns[target] = truth if truth.dtype.kind in "bif" else truth.astype(str).astype(object)
    return pd.DataFrame(columns)


def encode(split: Split, params: Params) -> tuple[Any, Split]:
    """The fitted encoder and the encoded split; without text features, None and the split itself.

    Raises:
        ValueError: the family does not accept missing numbers, and there are some. The message names the column.
    """
    features = split.features(split.train)
    if type(params).__name__ not in _ACCEPT_MISSING:
        for rows in (split.train, split.held_out):
            for name in split.features(rows):
                if rows[name].isna().any():
                    raise ValueError(f"the column {name!r} has missing values. Use the family forest or xgboost.")
    text = [name for name in features if features[name].dtype.kind not in "bif"]
    if not text:
        return None, split
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(handle_unknown="ignore", max_categories=MOST_VALUES, sparse_output=False)
    columns = ColumnTransformer([("text", encoder, text)], remainder="passthrough")
    columns.set_output(transform="pandas").fit(features)
    parts = []
    for rows in (split.train, split.held_out):
        encoded = columns.transform(split.features(rows))
        encoded[split.target] = rows[split.target].to_numpy()
        parts.append(encoded)
    return columns, Split(parts[0], parts[1], split.target, split.source)
