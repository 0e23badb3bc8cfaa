"""The inputs of captured rows, by the names of a baseline's columns."""

import pyarrow as pa
import pytest

from mlflow_platform.monitoring import comparable
from mlflow_platform.validation.signature import ColumnSpec, Signature

TENSOR = Signature((ColumnSpec(None, "float64", is_tensor=True, shape=(-1, 2)),))


@pytest.mark.parametrize(
    ("captured", "expected"),
    [
        (["1", "0"], {"sepal_len": [0], "width": [1]}),
        (["10", "9"], {"sepal_len": [9], "width": [10]}),
        (["sepal_len", "width"], {"sepal_len": [0], "width": [1]}),
        (["width", "sepal_len"], {"width": [0], "sepal_len": [1]}),
    ],
)
def test_only_positions_are_mapped_to_the_baselines_columns(
    captured: list[str], expected: dict[str, list[int]]
) -> None:
    """Rows that were ingested as Parquet may have the columns' names also for a model that takes one array."""
    values = [int(name) if name.isdecimal() else at for at, name in enumerate(captured)]
    rows = pa.table({name: [value] for name, value in zip(captured, values, strict=True)})
    assert comparable.inputs(rows, TENSOR, ["sepal_len", "width"]) == expected
