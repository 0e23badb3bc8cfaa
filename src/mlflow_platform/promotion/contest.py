"""Scores models on the same held-out rows on this machine, and decides which one is better.

The models' code runs here: only compare models that you trust, where the packages that they need are installed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.model_archive import MLMODEL
from mlflow_platform.validation import local_model, requests, rows, scoring
from mlflow_platform.validation.invocation import Answers
from mlflow_platform.validation.served_artifact import ServedArtifact
from mlflow_platform.validation.signature import from_mlmodel
from mlflow_platform.validation.thresholds import LOWER_IS_BETTER

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from mlflow_platform.validation.evaluation import HeldOut

# Rows in one call of a model. The predictions of some models take much memory.
_BATCH = 1000


@dataclass(frozen=True)
class Score:
    """A model's metrics on the held-out rows. `judged_by` is the main metric of the task.

    `notes` are sentences that a reader must know to trust the metrics.
    """

    model: Model
    metrics: Mapping[str, float]
    judged_by: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """Which of two models is better. `champion` is None if there is no champion yet."""

    metric: str
    candidate: Score
    champion: Score | None
    margin: float

    @property
    def wins(self) -> bool:
        """Whether the candidate is better than the champion by more than the margin. A tie keeps the champion."""
        if self.champion is None:
            return True
        gain = self.candidate.metrics[self.metric] - self.champion.metrics[self.metric]
        return (-gain if self.metric in LOWER_IS_BETTER else gain) > self.margin

    @property
    def summary(self) -> str:
        """The verdict in one line."""
        mine = f"{self.metric} {self.candidate.metrics[self.metric]:.6g}"
        if self.champion is None:
            return f"there was no champion; {mine}"
        theirs = f"{self.champion.metrics[self.metric]:.6g} of {self.champion.model.uri}"
        beyond = f" by more than {self.margin:g}" if self.margin else ""
        return f"{mine} {'beats' if self.wins else 'does not beat'} {theirs}{beyond}"

    def lines(self) -> list[list[str]]:
        """The evidence as a table: a row of names, and a row for each metric."""
        scores = [score for score in (self.candidate, self.champion) if score]
        names = sorted({name for score in scores for name in score.metrics} - {self.metric})
        head = ["metric", *(score.model.uri for score in scores)]
        return [
            head,
            *(
                [name, *(f"{score.metrics[name]:.6g}" if name in score.metrics else "" for score in scores)]
                for name in (self.metric, *names)
            ),
        ]


def score(s3: S3Client, model: Model, held_out: HeldOut) -> Score:
    """Score a model on held-out rows.

    Raises:
        InputError: the model cannot be found, or does not fit the rows.
        PlatformError: the model cannot be loaded here, or fails on the rows.
    """
    with TemporaryDirectory() as folder:
        unpacked = local_model.download(s3, ServedArtifact(model.location, ""), Path(folder))
        mlmodel = unpacked / MLMODEL
        signature = from_mlmodel(mlmodel.read_text(encoding="utf-8", errors="replace"), model.location)
        try:
            prepared = rows.prepare(
                held_out.table, held_out.target, task=held_out.task, signature=signature, origin=held_out.table.name
            )
            answers = local_model.score(unpacked, requests.make(prepared, batch_size=_BATCH))
            compared = scoring.compare(prepared, Answers(answers, (), 0.0))
        except PlatformError as error:
            raise type(error)(f"{model.uri} cannot be scored on {held_out.table.name}: {error.message}") from None
    return Score(model, compared.metrics, compared.judged_by, tuple(compared.notes))


def judge(candidate: Score, champion: Score | None, metric: str | None, *, margin: float) -> Verdict:
    """Compare two scores by a metric; without one, by the main metric of the task.

    Raises:
        InputError: the metric was not computed for both, or is NaN or infinite.
    """
    chosen = metric or candidate.judged_by
    for found in filter(None, (candidate, champion)):
        if chosen not in found.metrics:
            known = ", ".join(sorted(found.metrics))
            raise InputError(f"{chosen!r} was not computed for {found.model.uri} (computed: {known}). Change --judge.")
        if not math.isfinite(found.metrics[chosen]):
            # NaN is neither better nor worse, and the first champion would need no comparison at all. So would a model
            # with an infinite error.
            raise InputError(
                f"{chosen!r} of {found.model.uri} is {found.metrics[chosen]} on these rows. Change --judge, or give "
                "more rows."
            )
    return Verdict(chosen, candidate, champion, margin)


def renamed(verdict: Verdict, model: Model) -> Verdict:
    """The verdict with the candidate as the version under which it was registered."""
    return replace(verdict, candidate=replace(verdict.candidate, model=model))


def digest(held_out: HeldOut) -> str:
    """A digest of held-out rows, which shows whether two comparisons used the same rows."""
    content: Any = [held_out.target, {name: list(values) for name, values in held_out.table.columns.items()}]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
