"""Run a sweep: ask the strategy, train in parallel processes, write each finished trial while the next are trained."""

from __future__ import annotations

import gc
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from mlflow_common.errors import InputError, PlatformError, explain
from mlflow_platform.comparison.table import ranked
from mlflow_platform.sweeps.journal import Journal, Logged
from mlflow_platform.sweeps.outcome import Outcome, Watch
from mlflow_platform.sweeps.space import Values
from mlflow_platform.sweeps.strategy import Scored, Strategy

# Trains one point. It is sent to another process, so it must be a module's function (or a partial of one).
Train = Callable[[Values, Watch | None], Outcome]
# The trials that are being trained or wait for a process, with their points.
_Running = dict[Future[Outcome], Values]
# Trials that are finished before others are stopped early.
_LEAST_FINISHED = 5
# Trials that are written at a time: a distant server takes most of the time to answer.
_WRITERS = 4


@contextmanager
def _fewer_searches() -> Iterator[None]:
    """Spare the client what it does besides sending runs, a tenth of its processor time.

    What exists already is not garbage-collected: MLflow's import leaves 170,000 objects. And MLflow looks for Spark in
    all folders of `sys.path` several times a run, as for Databricks (see `tracking.not_in_databricks`). The entry is
    removed at the end, because other parts of MLflow take it for Spark.
    """
    no_spark = "pyspark" not in sys.modules and find_spec("pyspark") is None
    if no_spark:
        sys.modules["pyspark"] = None  # type: ignore[assignment]
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if no_spark:
            del sys.modules["pyspark"]


@dataclass
class Sweep:
    """A sweep of `trials` points.

    Attributes:
        metric, maximize: what is compared, and whether larger is better.
        prune: whether trials that are worse than the median of the earlier ones are stopped.
    """

    train: Train
    strategy: Strategy
    journal: Journal
    metric: str
    maximize: bool
    trials: int
    prune: bool
    done: list[Logged] = field(default_factory=list)
    _curves: list[dict[int, float]] = field(default_factory=list)

    def resume(self, finished: Sequence[Logged]) -> None:
        """Take over the trials that an earlier process has finished."""
        for logged in finished:
            self.done.append(logged)
            self.strategy.tell(Scored(json.loads(logged.point), self._score(logged)))

    def run(self, pool: Executor, processes: int, report: Callable[[Logged], None]) -> None:
        """Run the trials that are missing. `report` receives each trial when it has been written.

        Raises:
            InputError: the training does not accept a point, or has no such metric.
            PlatformError: a trial failed, or MLflow cannot be reached. The finished trials are kept.
        """
        running: _Running = {}
        writing: set[Future[Logged]] = set()
        with ThreadPoolExecutor(_WRITERS, "writer") as writers, _fewer_searches():
            try:
                self._start(running, pool, processes, 0)
                while running or writing:
                    pending: list[Future[Any]] = [*running, *writing]
                    ended = wait(pending, return_when=FIRST_COMPLETED).done
                    failure = self._write(running, ended, writers, writing)
                    self._note(ended, writing, report)
                    if failure:
                        raise failure
                    # The processes train the next trials while finished ones are written.
                    self._start(running, pool, processes, len(writing))
            finally:
                for future in running:
                    future.cancel()
                # After an error too, trials that are being written are finished ones.
                self._wait(writing, report)

    def _write(
        self, running: _Running, ended: set[Any], writers: Executor, writing: set[Future[Logged]]
    ) -> PlatformError | None:
        """Start to write the trials that have ended. Returns why one of them failed; the others are written anyway."""
        failure: PlatformError | None = None
        for one in [one for one in running if one in ended]:
            values = running.pop(one)
            try:
                outcome = self._result(one, values)
                self._learn(values, outcome)
            except PlatformError as error:
                failure = failure or error
                continue
            # sagemaker-mlflow reads its session from the context, which is empty in a new thread.
            run = copy_context().run
            writing.add(writers.submit(run, self.journal.write, values, outcome, self.metric))
        return failure

    def _start(self, running: _Running, pool: Executor, processes: int, unwritten: int) -> None:
        """Start trials until every process has one, unless the tracking server is far behind.

        One more waits for the next free process, unless what is tried next, or when it is stopped, depends on scores.
        """
        most = processes if self.prune or self.strategy.learns else processes + 1
        while (
            len(running) < most
            and unwritten < processes + _WRITERS
            and len(self.done) + len(running) + unwritten < self.trials
        ):
            values = self.strategy.ask(list(running.values()))
            if values is None:
                return
            running[pool.submit(self.train, values, self._watch())] = values

    def _note(self, ended: set[Any], writing: set[Future[Logged]], report: Callable[[Logged], None]) -> None:
        """Report the trials that have been written. If one could not be written, no other write is started.

        Raises:
            PlatformError: a trial could not be written. The writes in flight have ended.
        """
        error: Exception | None = None
        for future in writing & ended:
            writing.remove(future)
            found = self._noted(future, report)
            error = error or found
        if error is None:
            return
        writing -= {future for future in writing if future.cancel()}
        self._wait(writing, report)
        known = explain(error)
        if known is None:
            raise error
        finished = f"{len(self.done)} of {self.trials} trials are finished. Run the same command again to resume."
        raise type(known)(f"{known.message.rstrip('.')}. {finished}", known.details) from error

    def _wait(self, writing: set[Future[Logged]], report: Callable[[Logged], None]) -> None:
        """Wait for the writes in flight, and report those that succeed."""
        for future in wait(writing).done:
            writing.remove(future)
            self._noted(future, report)

    def _noted(self, future: Future[Logged], report: Callable[[Logged], None]) -> Exception | None:
        try:
            logged = future.result()
        except Exception as error:
            return error
        self.done.append(logged)
        report(logged)
        return None

    def _learn(self, values: Values, outcome: Outcome) -> None:
        """Give the strategy and the rule that stops trials early a finished trial."""
        if self.metric not in outcome.metrics:
            raise InputError(f"the training has no metric {self.metric!r}. It has {', '.join(outcome.metrics)}.")
        self._curves.append(dict(outcome.steps))
        self.strategy.tell(Scored(values, self._score(outcome)))

    @staticmethod
    def _result(future: Future[Outcome], values: Values) -> Outcome:
        point = ", ".join(f"{name}={value}" for name, value in values.items())
        try:
            return future.result()
        except BrokenProcessPool:
            raise PlatformError(
                f"a training process was killed, perhaps for lack of memory, with {point}. "
                "Run the same command again to resume, with fewer --jobs."
            ) from None
        except ValueError as error:
            raise InputError(f"the training refuses {point}: {error}") from None
        except Exception as error:
            raise PlatformError(f"the training failed with {point}: {type(error).__name__}: {error}") from error

    def _watch(self) -> Watch | None:
        if not self.prune or len(self._curves) < _LEAST_FINISHED:
            return None
        better = max if self.maximize else min
        medians: dict[int, float] = {}
        for step in {step for curve in self._curves for step in curve}:
            best = [better(v for s, v in curve.items() if s <= step) for curve in self._curves if step in curve]
            if len(best) >= _LEAST_FINISHED:
                medians[step] = statistics.median(best)
        return Watch(self.metric, self.maximize, medians)

    def _score(self, trial: Outcome | Logged) -> float | None:
        """What a trial is ranked by. None if it was stopped early, or if the metric is NaN or infinite."""
        return None if trial.stopped else ranked(trial.metrics.get(self.metric))

    @property
    def best(self) -> Logged | None:
        """The best trial; None if no trial can be ranked."""
        scores = [(score, logged) for logged in self.done if (score := self._score(logged)) is not None]
        better = max if self.maximize else min
        found = better(scores, key=lambda pair: pair[0], default=None)
        return found[1] if found else None
