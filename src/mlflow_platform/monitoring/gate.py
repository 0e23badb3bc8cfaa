"""Decides on the exit status of a run: what failed, and what was to be judged and could not be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_platform.monitoring import quality
from mlflow_platform.monitoring.assessment import Assessment
from mlflow_platform.monitoring.outcome import Outcome
from mlflow_platform.monitoring.quality import QualityLimits
from mlflow_platform.validation import thresholds


def check(outcomes: Sequence[Outcome], limits: QualityLimits, *, fail_on_drift: bool) -> None:
    """Fail as the options want it: thresholds require a judgement on quality, and `fail_on_drift` one on drift.

    Raises:
        PlatformError: the alarm is raised, or with thresholds alone: the quality is too low.
        PreconditionError: nothing failed, but something could not be judged.
    """
    failed, unseen = [], []
    for outcome in outcomes:
        place, found = f"{outcome.place.endpoint} ({outcome.place.variant})", outcome.assessment
        if fail_on_drift:
            failed += [f"{place}: {alarm}" for alarm in found.alarms]
            what = "drift" if found.judged is None else "drift of the predictions"
            unseen += [f"{place}: {what} is not judged, because {found.unjudged}"] if found.unjudged else []
        elif limits.thresholds:
            failed += [f"{place}: quality: {failure}" for failure in found.failures]
        if limits.thresholds:
            unseen += [f"{place}: quality is not judged, because {why}" for why in _unscored(found, limits)]
    unseen += _unused(outcomes, limits)
    if failed:
        raise PlatformError("; ".join([*failed, *unseen]))
    if unseen:
        raise PreconditionError("; ".join(unseen))


def _unscored(found: Assessment, limits: QualityLimits) -> Iterator[str]:
    """Why thresholds of a variant were not judged; nothing if all of its task were."""
    if found.scored is None:
        problems = sorted({result.quality.problem for result in found.results if result.quality.problem})
        most = max((result.quality.with_truth for result in found.results), default=0)
        few = (
            f"no window has {limits.rows} rows with truth (at most {most}). "
            "Give it with `.venv/bin/python scripts/monitor.py truth`"
        )
        yield "; ".join(problems) or few
    else:
        for metric in quality.unjudged(found.scored.quality, limits):
            yield f"{metric} could not be computed from these rows"


def _unused(outcomes: Sequence[Outcome], limits: QualityLimits) -> Iterator[str]:
    """The thresholds that are for no variant, where all variants were scored."""
    tasks = [outcome.assessment.scored and outcome.assessment.scored.quality.task for outcome in outcomes]
    if None in tasks:
        return
    for threshold in limits.thresholds:
        if not any(task and thresholds.applies(threshold, task) for task in tasks):
            yield f"no endpoint has the metric {threshold.metric or 'of --threshold'}"
