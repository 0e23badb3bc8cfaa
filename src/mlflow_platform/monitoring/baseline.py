"""What a window is compared with: the model's training rows, and its predictions on held-out rows.

A run states both as artifacts, whatever trained it: `evaluation/training.csv` has the training rows, and
`evaluation/held_out_predictions.csv` the column `prediction`. Predictions on training rows would not do: a model fits
them better than any others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError
from mlflow_platform.monitoring.comparable import from_json
from mlflow_platform.monitoring.drift import PREDICTION
from mlflow_platform.validation import evaluation, files
from mlflow_platform.validation import values as types
from mlflow_platform.validation.rows import Task, task_named
from mlflow_platform.validation.signature import NESTED, Signature
from mlflow_platform.validation.table import Table

if TYPE_CHECKING:
    from mlflow import MlflowClient

TRAINING = "evaluation/training.csv"
PREDICTIONS = "evaluation/held_out_predictions.csv"
_HAS_INPUT = f"Drift of the predictions is not measured: the model has an input {PREDICTION!r}."
_PREFIXES = ("validation/", "")


@dataclass(frozen=True)
class Baseline:
    """A model's baseline.

    Attributes:
        columns: values of the inputs by name, and of `prediction` where it is known; empty if there is no baseline.
        origin: where the columns are from, for the report.
        notes: what a reader must know about it.
        task: classification or regression where the run states it.
        reference: the model's metrics when it was validated, or else trained, by the names that validation gives them.
    """

    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    origin: str = "none"
    notes: Sequence[str] = ()
    task: Task | None = None
    reference: Mapping[str, float] = field(default_factory=dict)


def from_run(
    client: MlflowClient | None, run_id: str | None, signature: Signature, stores: Sequence[str] | None = None
) -> Baseline:
    """The baseline that a model's run has. A run without training rows is compared with its held-out rows.

    With `stores`, nothing is read from a run whose artifacts are in none of them.
    """
    if client is None or run_id is None:
        return Baseline(notes=["Drift is not measured: no tag says which run logged the model."])
    run = evaluation.find_run(client, run_id)
    if run is None:
        return Baseline(notes=[f"Drift is not measured: the run {run_id} is not on this server, or is deleted."])
    task = task_named(run.data.tags.get(evaluation.TASK_TAG))
    target = run.data.tags.get(evaluation.TARGET_TAG)
    reference = _reference(run.data.metrics)
    if outside := evaluation.stray(run, stores):
        return Baseline(notes=[f"Drift is not measured: {outside}."], task=task, reference=reference)
    notes: list[str] = []
    try:
        with TemporaryDirectory() as folder:
            rows, origin = _rows(client, run_id, Path(folder), notes)
            if rows is None:
                return Baseline(notes=notes, task=task, reference=reference)
            predictions = _read(client, run_id, PREDICTIONS, Path(folder))
        columns = inputs(rows, signature, target)
    except InputError as error:
        # The quality can still be judged.
        notes.append(f"Drift is not measured: {error.message}.")
        return Baseline(notes=notes, task=task, reference=reference)
    if PREDICTION in columns:
        notes.append(_HAS_INPUT)
    elif predictions is not None and PREDICTION in predictions.columns:
        columns[PREDICTION] = _typed(predictions.columns[PREDICTION], is_text=predictions.is_text)
    elif task == "classification" and target in rows.columns:
        columns[PREDICTION] = _typed(rows.columns[target or ""], is_text=rows.is_text)
        notes.append(
            f"The predictions are compared with the true classes of the baseline: the run has no {PREDICTIONS}."
        )
    else:
        notes.append(f"Drift of the predictions is not measured: the run has no {PREDICTIONS}.")
    return Baseline(columns, f"{origin} of run {run_id}", notes, task, reference)


def from_file(path: Path, signature: Signature, run: Baseline) -> Baseline:
    """A baseline from a file in place of the run's rows. Its column `prediction`, if any, has the predictions."""
    table = files.read_any(path)
    columns = inputs(table, signature, None)
    notes = []
    if PREDICTION in columns:
        notes.append(_HAS_INPUT)
    elif PREDICTION in table.columns:
        columns[PREDICTION] = _typed(table.columns[PREDICTION], is_text=table.is_text)
    else:
        notes.append(f"Drift of the predictions is not measured: {path.name} has no column {PREDICTION!r}.")
    return Baseline(columns, path.name, notes, run.task, run.reference)


def inputs(table: Table, signature: Signature, target: str | None) -> dict[str, Sequence[Any]]:
    """The model's inputs in a table, with the types of the signature.

    Raises:
        InputError: the table has none of the model's inputs.
    """
    names = [spec.name if spec.name is not None else str(at) for at, spec in enumerate(signature.inputs)]
    others = {target} if PREDICTION in names else {target, PREDICTION}
    given = {name: values for name, values in table.columns.items() if name not in others}
    if not signature.inputs or signature.is_unnamed_tensor:
        names = [name for name in given if name not in table.index]
    elif not any(name in given for name in names) and len(given) == len(names):
        given = dict(zip(names, given.values(), strict=True))
    kinds = {name: spec.type for name, spec in zip(names, signature.inputs, strict=False)}
    if signature.is_unnamed_tensor:
        kinds = dict.fromkeys(names, signature.inputs[0].type)
    found: dict[str, Sequence[Any]] = {
        name: _of_type(kinds.get(name), given[name], is_text=table.is_text) for name in names if name in given
    }
    if not found:
        raise InputError(f"{table.name} has none of the model's inputs, so it cannot be the baseline")
    return found


def _of_type(kind: str | None, values: Sequence[Any], *, is_text: bool) -> list[Any]:
    """The values as the data set of captured rows has those of a type: times and booleans as such.

    A value that is none of its type, such as `?`, `1,5` or `yes`, is missing: as a category, it would differ from what
    all requests have.
    """
    if kind in {"string", "str"}:
        return list(values)
    if convert := _CONVERTERS.get(kind or ""):
        return [_converted(convert, value) for value in values]
    is_numeric = kind is not None and kind not in NESTED
    found = _typed(values, is_text=is_text, is_numeric=is_numeric)
    return [from_json(value, only="[{") for value in found]


def _converted(convert: Callable[[Any], Any], value: Any) -> Any:
    try:
        return None if _is_absent(value) else convert(value)
    except types.UnusableError:
        return None


def _moment(value: Any) -> datetime:
    # A datetime of Python has microseconds.
    return datetime.fromisoformat(types.as_datetime(value)[:26])


def _float(value: Any) -> float:
    return types.as_float(int(value) if isinstance(value, bool) else value)


def _whole(value: Any) -> int | float:
    """A whole number exactly: beyond 2^53, floating-point numbers are others. A fraction shows that it is none."""
    try:
        return types.as_integer(value)
    except types.UnusableError:
        return _float(value)


# Those of a signature's types except text, nested ones and arrays.
_CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "datetime": _moment,
    "boolean": types.as_boolean,
    "binary": types.as_binary,
    **dict.fromkeys(("integer", "long"), _whole),
    **dict.fromkeys(("float", "double"), _float),
}


def _is_absent(value: Any) -> bool:
    return types.is_missing(value) or (isinstance(value, str) and value.strip() in types.MISSING_TEXTS)


def _rows(client: MlflowClient, run_id: str, folder: Path, notes: list[str]) -> tuple[Table | None, str]:
    if (table := _read(client, run_id, TRAINING, folder)) is not None:
        return table, "the training rows"
    if (table := _read(client, run_id, evaluation.HELD_OUT, folder)) is not None:
        notes.append(f"The inputs are compared with the held-out rows: the run has no {TRAINING}.")
        return table, "the held-out rows"
    notes.append(
        f"Drift is not measured: the run {run_id} has no {TRAINING}. Log the training rows there, or give a file with "
        "--baseline."
    )
    return None, ""


def _read(client: MlflowClient, run_id: str, artifact: str, folder: Path) -> Table | None:
    """A table among a run's artifacts; None where there is none."""
    parent = artifact.rpartition("/")[0]
    if artifact not in {each.path for each in client.list_artifacts(run_id, parent)}:
        return None
    return files.read_any(Path(client.download_artifacts(run_id, artifact, str(folder))))


def _reference(metrics: Mapping[str, float]) -> dict[str, float]:
    """A run's metrics by their plain names; those of its validation come before those of its training.

    Left out are NaN, infinity (which MLflow's database holds as the largest number) and an accuracy in percent: no
    quality would be worse, or any.
    """
    found: dict[str, float] = {}
    for prefix in _PREFIXES:
        for name, value in metrics.items():
            plain = name.removeprefix(prefix)
            most = 1.0 if plain == "accuracy" else sys.float_info.max / 2
            if name.startswith(prefix) and abs(value) <= most:
                found.setdefault(plain, value)
    return found


def _typed(values: Sequence[Any], *, is_text: bool, is_numeric: bool = False) -> list[Any]:
    """Text of a CSV file as numbers where every value is one; other values as they are.

    Unless the model's input is numeric, `02134` is text, as a request or an answer has it.
    """
    if not is_text:
        return list(values)
    convert = types.as_float if is_numeric else _plain_number
    try:
        numbers = [None if _is_absent(value) else convert(value.strip()) for value in values]
        if any(number is not None for number in numbers):
            return numbers
    except types.UnusableError:
        pass
    present = [value for value in values if not _is_absent(value)]
    if present and all(value.lower() in {"true", "false"} for value in present):
        return [None if _is_absent(value) else value.lower() == "true" for value in values]
    return list(values)


def _plain_number(text: str) -> int | float:
    number = types.number_in(text)
    if number is not None:
        return number
    if types.INFINITE.fullmatch(text):
        return types.as_float(text)
    raise types.UnusableError("is not a number")
