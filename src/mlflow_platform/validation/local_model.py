"""Scores the requests that an endpoint got with the same model on this machine, and compares the answers.

The model's code runs here, in this environment: only do this with a model that you trust, where the packages that it
needs are installed. The requests pass MLflow's own parsing and the model's signature, as they do in the container.
"""

from __future__ import annotations

import math
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import PlatformError
from mlflow_common.unpacking import unpack
from mlflow_platform.endpoints import model_archive
from mlflow_platform.validation import predictions
from mlflow_platform.validation.predictions import Predictions
from mlflow_platform.validation.requests import Request
from mlflow_platform.validation.served_artifact import ServedArtifact

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Machines round differently: numbers may differ in the last digits that 32 bits hold.
_RELATIVE, _ABSOLUTE = 1e-5, 1e-8


@dataclass(frozen=True)
class Agreement:
    """How many rows have equal predictions. `first` is the number (from 0) of the first row that differs."""

    rows: int
    equal: int
    first: int | None = None
    here: Any = None
    there: Any = None

    @property
    def share(self) -> float:
        """The share of rows that agree."""
        return self.equal / self.rows

    def __str__(self) -> str:
        if self.first is None:
            return f"all {self.rows} rows agree"
        return (
            f"{self.equal} of {self.rows} rows agree; row {self.first + 1} is {self.there!r} from the endpoint and "
            f"{self.here!r} from the model on this machine"
        )


def download(s3: S3Client, model: ServedArtifact, folder: Path) -> Path:
    """Fetch and unpack a served model's archive into a folder. Returns the model's own folder.

    Raises:
        InputError: it is not the archive of a model, or it holds a member that would be written elsewhere.
    """
    archive = model_archive.make(s3, model.location, folder)
    if archive.path.is_dir():
        return archive.path
    target = folder / "unpacked"
    with tarfile.open(archive.path, "r:gz") as tar:
        unpack(tar, target)
    return target


def score(folder: Path, requests: Sequence[Request]) -> Predictions:
    """Answer requests with the model in a folder, as MLflow's scoring server does.

    Raises:
        PlatformError: the model cannot be loaded here, or fails on the rows.
    """
    from mlflow.pyfunc import load_model, scoring_server

    try:
        model = load_model(str(folder))
    except Exception as error:
        raise PlatformError(f"the model cannot be loaded on this machine: {_reason(error)}") from error
    schema = model.metadata.get_input_schema()
    values: list[Any] = [None] * sum(len(request.rows) for request in requests)
    for request in requests:
        try:
            answer = scoring_server.invocations(request.body, "application/json", model, schema)
        except Exception as error:
            raise PlatformError(f"the model fails on this machine: {_reason(error)}") from error
        found = predictions.parse(answer.response.encode(), "the model on this machine", expected=len(request.rows))
        for number, value in zip(request.rows, found, strict=True):
            values[number] = value
    return predictions.interpret(values, "the model on this machine")


def compare(endpoint: Predictions, here: Predictions) -> Agreement:
    """Compare predictions row by row. Numbers may differ by 1e-5 of their size."""
    pairs = list(zip(endpoint.values, here.values, strict=True))
    differing = [number for number, (there, local) in enumerate(pairs) if not _equal(there, local)]
    if not differing:
        return Agreement(len(pairs), len(pairs))
    there, local = pairs[differing[0]]
    return Agreement(len(pairs), len(pairs) - len(differing), differing[0], local, there)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, float) or isinstance(other, float):
        numbers = all(isinstance(value, (int, float)) for value in (one, other))
        return numbers and math.isclose(one, other, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return bool(one == other)


def _reason(error: BaseException) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"[:300]
