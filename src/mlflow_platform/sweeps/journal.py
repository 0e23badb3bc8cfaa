"""The runs of a sweep in MLflow: one parent run, and a child run for each finished trial.

Only the main process writes, and only finished trials: a run is created, filled with one batch and ended, three
requests in all. A run that a kill left between them is recognised by its status, deleted and made again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError
from mlflow_platform.paging import all_results
from mlflow_platform.sweeps.outcome import Outcome
from mlflow_platform.sweeps.space import Values
from mlflow_platform.sweeps.strategy import key

if TYPE_CHECKING:
    from mlflow import MlflowClient

SWEEP, SETTINGS, POINT, STOPPED = "sweep.name", "sweep.settings", "sweep.point", "sweep.stopped_early"
PARENT = "mlflow.parentRunId"
_BATCH = 1000
_PAGE = 1000


@dataclass(frozen=True)
class Logged:
    """A finished child run. `values` are its point of the space, as JSON with sorted names."""

    run_id: str
    point: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    stopped: bool


class Journal:
    """The parent run of a sweep and its child runs."""

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        *,
        name: str,
        tags: Mapping[str, str],
        log_batch: Callable[..., object] | None = None,
    ) -> None:
        """`log_batch` is called instead of the client's method of that name, for finished trials."""
        self._client = client
        self._log_batch = log_batch
        self._experiment = experiment_id
        self._name = name
        self._tags = tags
        self.parent = ""

    def open(self, settings: str) -> list[Logged]:
        """Find the parent run of this sweep, or create it. Returns the trials that are finished.

        Raises:
            InputError: a sweep of that name has other settings.
        """
        return list(self._finished()) if self.find(settings) else []

    def find(self, settings: str) -> bool:
        """Find the parent run of this sweep, or create it. Returns whether it was there.

        Raises:
            InputError: a sweep of that name has other settings.
        """
        found = [run for run in self._search(f"tags.`{SWEEP}` = '{self._name}'") if PARENT not in run.data.tags]
        if not found:
            tags = {**self._tags, SWEEP: self._name, SETTINGS: settings}
            self.parent = self._client.create_run(self._experiment, tags=tags, run_name=self._name).info.run_id
            return False
        run = min(found, key=lambda run: (run.info.start_time, run.info.run_id))
        if run.data.tags.get(SETTINGS) != settings:
            raise InputError(
                f"the sweep {self._name} has other settings. Choose another --name, or repeat its options."
            )
        self.parent = run.info.run_id
        if run.info.status != "RUNNING":
            self._client.update_run(self.parent, status="RUNNING")
        return True

    def _finished(self) -> Iterator[Logged]:
        from mlflow.exceptions import MlflowException

        seen: set[str] = set()
        for run in self._search(f"tags.`{PARENT}` = '{self.parent}'"):
            point = run.data.tags.get(POINT, "")
            if run.data.tags.get(SWEEP) != self._name or not _is_point(point):
                continue  # Anyone may log a run below the parent, or put one there with its tag. It is no trial.
            if run.info.status != "FINISHED" or point in seen:
                # A kill has left it without its values. A writer may not delete it: then it stays, and does not count.
                with suppress(MlflowException):
                    self._client.delete_run(run.info.run_id)
                continue
            seen.add(point)
            yield Logged(run.info.run_id, point, run.data.params, run.data.metrics, STOPPED in run.data.tags)

    def write(self, values: Values, outcome: Outcome, metric: str) -> Logged:
        """Write a finished trial as a child run, in three requests."""
        from mlflow.entities import Metric, Param

        point = key(values)
        tags = {**self._tags, PARENT: self.parent, POINT: point, SWEEP: self._name}
        if outcome.stopped:
            tags[STOPPED] = "true"
        name = ", ".join(f"{name}={value:.4g}" for name, value in values.items())
        began, ended = (int(seconds * 1000) for seconds in (outcome.began, outcome.ended))
        run = self._client.create_run(self._experiment, start_time=began, tags=tags, run_name=name[:250])
        last = max((step for step, _ in outcome.steps), default=0)
        params = [Param(name, text) for name, text in outcome.params.items()]
        metrics = [Metric(name, value, ended, last) for name, value in outcome.metrics.items()]
        # The metric's history; its last value is above.
        curve = [Metric(metric, value, ended, step) for step, value in outcome.steps if step != last]
        metrics += _thinned(curve, _BATCH - len(params) - len(metrics))
        log_batch = self._log_batch or self._client.log_batch
        log_batch(run.info.run_id, metrics=metrics, params=params)
        self._client.set_terminated(run.info.run_id, "FINISHED", ended)
        return Logged(run.info.run_id, point, outcome.params, outcome.metrics, outcome.stopped)

    def close(self, best: Logged | None, params: Mapping[str, str], folder: str) -> None:
        """End the parent run: the best trial's metrics, the sweep's settings and the charts in `folder`."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        metrics = [Metric(f"best_{name}", value, now, 0) for name, value in best.metrics.items()] if best else []
        tags = [RunTag("sweep.best_run", best.run_id)] if best else []
        self._client.log_batch(
            self.parent, metrics=metrics, params=[Param(name, text) for name, text in params.items()], tags=tags
        )
        self._client.log_artifacts(self.parent, folder, "sweep")
        self._client.set_terminated(self.parent, "FINISHED")

    def _search(self, where: str) -> Iterator[Any]:
        return all_results(self._client.search_runs, [self._experiment], where, max_results=_PAGE)


def _thinned(points: list[Any], most: int) -> list[Any]:
    """At most that many points, at equal distances: one batch takes 1000 values."""
    stride = -(-len(points) // most) if len(points) > most else 1
    return points[::stride]


def _is_point(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
