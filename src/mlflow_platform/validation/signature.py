"""A model's signature: the names and types of its inputs and outputs, as its MLmodel file holds them.

The format is MLflow's (mlflow/models/signature.py, `ModelSignature.to_dict`; mlflow/types/schema.py, `Schema.to_json`):
`inputs` and `outputs` are JSON texts of a list of columns `{"type", "name", "required"}` or of tensors
`{"type": "tensor", "tensor-spec": {"dtype", "shape"}, "name"}`. Read here without MLflow, whose import takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_common.errors import InputError

SCALARS = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
NESTED = ("object", "array", "map", "any")
_CLASS_KEYS = ("classes", "class_names")
# Characters of an integer in an MLmodel file.
_LONGEST_INTEGER = 100


@dataclass(frozen=True)
class ColumnSpec:
    """A column, or a tensor, of a signature.

    Attributes:
        name: None where the signature has no names.
        type: one of SCALARS or NESTED; of a tensor its NumPy type (`float32`, `int64`, …).
        required: whether the column must be there.
        is_tensor: whether it is a tensor; `shape` is then its shape, with -1 for the rows.
    """

    name: str | None
    type: str
    required: bool = True
    is_tensor: bool = False
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives. Either part may be unknown, and is then empty."""

    inputs: tuple[ColumnSpec, ...] = ()
    outputs: tuple[ColumnSpec, ...] = ()
    class_names: tuple[str, ...] = ()

    @property
    def is_unnamed_tensor(self) -> bool:
        """Whether the model takes one array without a name."""
        return len(self.inputs) == 1 and self.inputs[0].is_tensor and self.inputs[0].name is None

    @property
    def output_type(self) -> str | None:
        """The type of the only output, if there is exactly one."""
        return self.outputs[0].type if len(self.outputs) == 1 else None


def from_mlmodel(text: str, origin: str) -> Signature:
    """Read the signature in an MLmodel file's text; an empty one where the model has none.

    Class names are taken from the model's metadata (`classes` or `class_names`), where a model may state them.

    Raises:
        InputError: the file is damaged.
    """
    import yaml

    try:
        model = yaml.load(text, _loader())  # noqa: S506 a safe loader
        if not isinstance(model, Mapping):
            raise ValueError("it is not a mapping")
        signature = model.get("signature") or {}
        metadata = model.get("metadata") or {}
        names: list[Any] = next((metadata[key] for key in _CLASS_KEYS if isinstance(metadata.get(key), list)), [])
        if not all(isinstance(name, (str, bool, int, float)) for name in names):
            # The text of a nested value with references can take all memory.
            raise TypeError("the class names in its metadata are not all names")
        return Signature(
            inputs=_columns(signature.get("inputs")),
            outputs=_columns(signature.get("outputs")),
            class_names=tuple(str(name) for name in names),
        )
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"the signature in {origin} cannot be read: {reason[0]}") from None


def _loader() -> Any:
    """PyYAML's safe loader, without what makes a small text take all memory or hours.

    Lines that each merge the mapping before them nine times (`<<: [*a, *a, …]`) take nine times the memory a line, and
    a number in base 60 (`1:2:3`) takes quadratic time. MLflow writes neither.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def flatten_mapping(self, node: Any) -> None:
            if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
                raise yaml.constructor.ConstructorError(problem="it merges mappings (<<)")

        def short_integer(self, node: Any) -> int:
            if len(node.value) > _LONGEST_INTEGER:
                raise yaml.constructor.ConstructorError(problem="it has a number that is too long")
            return int(self.construct_yaml_int(node))

    Loader.add_constructor("tag:yaml.org,2002:int", Loader.short_integer)
    return Loader


def _columns(text: str | None) -> tuple[ColumnSpec, ...]:
    if not text:
        return ()
    found = json.loads(text)
    if not isinstance(found, list):
        raise TypeError("inputs and outputs must be lists")
    return tuple(_column(each) for each in found)


def _column(each: Mapping[str, Any]) -> ColumnSpec:
    name = each.get("name")
    name = None if name is None else str(name)
    if each["type"] == "tensor":
        tensor = each["tensor-spec"]
        return ColumnSpec(name, str(tensor["dtype"]), is_tensor=True, shape=tuple(map(int, tensor["shape"])))
    # MLflow wrote `optional` before it wrote `required`.
    required = bool(each.get("required", not each.get("optional", False)))
    type_ = str(each["type"]).lower()
    return ColumnSpec(name, type_ if type_ in SCALARS else type_ if type_ in NESTED else "any", required)


def named(columns: Sequence[ColumnSpec]) -> bool:
    """Whether the columns have names."""
    return all(column.name is not None for column in columns)
