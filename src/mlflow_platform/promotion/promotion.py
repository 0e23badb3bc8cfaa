"""One promotion: rank, compare on the same held-out rows, register, record, move the alias.

`plan` changes nothing. `carry_out` can be repeated after it was interrupted: what is done already is found and kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError, PlatformError
from mlflow_common.waiting import Progress
from mlflow_platform.endpoints.model import Model, check_location
from mlflow_platform.promotion import candidates, contest, registration
from mlflow_platform.promotion.candidates import Ranking
from mlflow_platform.promotion.contest import Verdict
from mlflow_platform.validation import evaluation, thresholds
from mlflow_platform.validation.evaluation import HeldOut
from mlflow_platform.validation.thresholds import METRICS, Threshold

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Request:
    """What to promote, and by which rule.

    Attributes:
        experiment, metric, where, maximize, model_name: see `candidates.rank`.
        name, alias: the registered model and its alias.
        judge: the metric on the held-out rows; None: `metric` if it is computed there, else the task's main metric.
        margin: how much better than the champion the candidate must be.
        held_out: the rows; None: those of the candidate's run.
        stores: the URIs below which artifacts and models may be read; None: anywhere.
        required: limits that the candidate must reach.
    """

    experiment: str
    metric: str
    name: str
    alias: str
    where: str = ""
    maximize: bool | None = None
    model_name: str | None = None
    judge: str | None = None
    margin: float = 0.0
    held_out: HeldOut | None = None
    stores: Sequence[str] | None = None
    required: Sequence[Threshold] = ()


@dataclass(frozen=True)
class Plan:
    """What a promotion would do.

    Attributes:
        candidate: the best model, as its registered version if it has one.
        champion: what the alias names now.
        verdict: None if the candidate is the champion already.
        data: where the held-out rows are from, and their digest.
    """

    ranking: Ranking
    candidate: Model
    champion: Model | None
    verdict: Verdict | None
    data: Mapping[str, str]

    @property
    def registers(self) -> bool:
        """Whether the candidate has no version yet."""
        return self.candidate.name is None

    @property
    def wins(self) -> bool:
        """Whether the candidate becomes the champion."""
        return self.verdict is not None and self.verdict.wins


def plan(client: MlflowClient, s3: S3Client, request: Request, progress: Progress) -> Plan:
    """Find the best candidate and compare it with the champion, without changing anything.

    Raises:
        InputError: see `candidates.rank`, `contest.score` and `contest.judge`; there are no held-out rows.
        PreconditionError: the files of a model are not in the stores.
        PlatformError: a model cannot be loaded or fails; or the candidate does not reach a required limit.
    """
    progress(f"ranking the runs of {request.experiment} by {request.metric}")
    ranking = candidates.rank(
        client,
        request.experiment,
        request.metric,
        where=request.where,
        maximize=request.maximize,
        model_name=request.model_name,
        stores=request.stores,
    )
    if ranking.without_model:
        progress(f"better runs without a model are left out: {', '.join(ranking.without_model)}")
    candidate = registration.registered(client, request.name, ranking.model) or ranking.model
    champion = registration.champion(client, request.name, request.alias)
    for model in (candidate, champion):
        if model:
            check_location(model.uri, model.location, request.stores)
    is_champion = champion is not None and candidate.uri == champion.uri
    if is_champion and not request.required:
        return Plan(ranking, candidate, champion, None, {})
    held_out = request.held_out or evaluation.fetch(client, ranking.best.run_id, stores=request.stores)
    if held_out.task is None:
        held_out = replace(held_out, task=evaluation.task_of(client, ranking.best.run_id))
    progress(f"scoring {candidate.uri} on {len(held_out.table)} rows of {held_out.table.name}")
    mine = contest.score(s3, candidate, held_out)
    if is_champion:
        _require(request.required, mine)
        return Plan(ranking, candidate, champion, None, {})
    theirs = None
    if champion:
        progress(f"scoring {champion.uri}, the {request.alias}")
        theirs = contest.score(s3, champion, held_out)
        if request.held_out is None:
            _note_other_rows(client, champion, held_out, request.stores, progress)
    for note in dict.fromkeys((*mine.notes, *(theirs.notes if theirs else ()))):
        progress(f"note: {note}")
    metric = request.judge or (request.metric if request.metric in mine.metrics else None)
    verdict = contest.judge(mine, theirs, metric, margin=request.margin)
    if verdict.metric != request.metric:
        progress(f"{request.metric} ranks the runs, and {verdict.metric} compares the models on the held-out rows")
    _require(request.required, mine)
    origin = held_out.table.name if request.held_out else f"{evaluation.HELD_OUT} of run {ranking.best.run_id}"
    data = {"origin": origin, "digest": contest.digest(held_out), "rows": str(len(held_out.table))}
    return Plan(ranking, candidate, champion, verdict, data)


def carry_out(client: MlflowClient, planned: Plan, request: Request, progress: Progress) -> Model:
    """Register the candidate, write the evidence, and move the alias if the candidate wins. Returns its version.

    Raises:
        PreconditionError: the alias has moved since the comparison, or the version's files are not in the stores.
    """
    if planned.verdict is None:
        return planned.candidate
    if planned.registers:
        progress(f"registering {planned.candidate.uri} as {request.name}")
    model = registration.register(client, request.name, planned.candidate)
    check_location(model.uri, model.location, request.stores)
    progress(f"logging the comparison to run {model.run_id}")
    registration.record(client, contest.renamed(planned.verdict, model), request.alias, planned.data)
    if planned.wins:
        progress(f"moving {request.alias} to {model.uri}")
        registration.move_alias(client, request.alias, model, planned.champion)
    return model


def _require(required: Sequence[Threshold], score: contest.Score) -> None:
    verdicts = thresholds.judge(required, dict(score.metrics), score.judged_by)
    failures = [str(verdict) for verdict in verdicts if not verdict.passed]
    if failures:
        raise PlatformError(f"{score.model.uri} is not promoted: {'; '.join(failures)}.")


def _note_other_rows(
    client: MlflowClient, champion: Model, held_out: HeldOut, stores: Sequence[str] | None, progress: Progress
) -> None:
    """Say if the champion may have been trained on the rows that it is compared on."""
    try:
        its = evaluation.fetch(client, champion.run_id or "", stores=stores)
    except InputError:
        progress(f"note: {champion.uri} has no held-out rows, so it may have been trained on some of these rows")
        return
    if contest.digest(its) != contest.digest(held_out):
        progress(f"note: {champion.uri} was held out other rows, so it may have been trained on some of these rows")


def check_judge(metric: str | None) -> None:
    """Check the name of a metric of held-out rows.

    Raises:
        InputError: there is no such metric.
    """
    if metric and metric not in METRICS:
        raise InputError(f"--judge: there is no metric {metric!r} (there are: {', '.join(METRICS)}).")
