"""What a trial results in, and the rule that stops a trial early."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field


class Stopped(Exception):  # noqa: N818 not an error: the trial is over
    """The trial is stopped because its score is worse than that of earlier trials."""


@dataclass(frozen=True)
class Outcome:
    """The result of a trial.

    Attributes:
        params: every parameter of the training, as MLflow stores them.
        metrics: the final scores. Those of a stopped trial are from its last step.
        steps: the held-out score after each step.
        stopped: whether the trial was stopped early.
        began, ended: when its training began and ended, in seconds since the epoch.
    """

    params: Mapping[str, str]
    metrics: Mapping[str, float]
    steps: tuple[tuple[int, float], ...] = ()
    stopped: bool = False
    began: float = field(default_factory=time.time)
    ended: float = field(default_factory=time.time)


@dataclass
class Watch:
    """Stops a trial whose best score so far is worse than the median of the earlier trials at the same step.

    This is the median stopping rule of Google Vizier (Golovin et al., 2017), which optuna's MedianPruner applies too.

    Attributes:
        metric: the name of the metric.
        maximize: whether larger is better.
        medians: for a step, the median of the earlier trials' best scores up to it.
    """

    metric: str
    maximize: bool
    medians: Mapping[int, float]
    _best: float | None = field(default=None, init=False)

    def check(self, step: int, value: float) -> None:
        """Record the score of a step.

        Raises:
            Stopped: the trial should end.
        """
        better = max if self.maximize else min
        self._best = value if self._best is None else better(self._best, value)
        median = self.medians.get(step)
        if median is not None and self._best != better(self._best, median):
            raise Stopped
