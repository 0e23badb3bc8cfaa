"""A sweep: every point once, whatever interrupts it, in three requests a trial."""

import math
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Event, Timer
from typing import Any

import pytest

from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.sweeps import strategy
from mlflow_platform.sweeps.journal import Journal, Logged
from mlflow_platform.sweeps.outcome import Outcome, Stopped, Watch
from mlflow_platform.sweeps.search import Sweep
from mlflow_platform.sweeps.space import Values, parse

TYPES = {"depth": int, "rate": float}
GRID = ["depth=1,2,3", "rate=0.1,0.2"]


class Here(Executor):
    """Runs each call at once, in this process."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Killed(BaseException):
    """The process was killed at this call."""


class Mortal:
    """An MLflow client whose process is killed before or after its n-th writing call."""

    def __init__(self, client: Any, calls: int) -> None:
        self.client, self.left, self.made = client, calls, 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if name.startswith("search"):
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            self.made += 1
            if self.left == 0:
                raise Killed
            self.left -= 1
            return method(*args, **kwargs)

        return call


def train(values: Values, watch: Watch | None) -> Outcome:
    score = values["depth"] + values["rate"]
    return Outcome({name: str(value) for name, value in values.items()}, {"score": score}, ((1, score / 2), (2, score)))


def sweep(client: Any, *, search: str = "grid", space: list[str] = GRID, trials: int = 6, **changes: Any) -> Sweep:
    points, _ = strategy.make(search, parse(space, TYPES), maximize=True, seed=1)
    journal = Journal(client, "0", name="s", tags={"project": "p"})
    given = {"train": train, "metric": "score", "maximize": True, "prune": False} | changes
    return Sweep(strategy=points, journal=journal, trials=trials, **given)


def run(work: Sweep, settings: str = "{}") -> list[Logged]:
    new: list[Logged] = []
    work.resume(work.journal.open(settings))
    work.run(Here(), 2, new.append)
    return new


def children(client: Any, parent: str) -> list[Any]:
    return list(client.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{parent}'"))


def test_a_grid_becomes_a_parent_run_with_a_child_for_each_point(mlflow_here: Any) -> None:
    client = mlflow_here.MlflowClient()
    work = sweep(client)
    run(work)
    found = children(client, work.journal.parent)
    points = {(child.data.params["depth"], child.data.params["rate"]) for child in found}
    assert points == {(str(depth), str(rate)) for depth in (1, 2, 3) for rate in (0.1, 0.2)}
    assert {child.info.status for child in found} == {"FINISHED"}
    assert work.best
    assert work.best.metrics == {"score": 3.2}
    history = client.get_metric_history(work.best.run_id, "score")
    assert [(metric.step, metric.value) for metric in history] == [(1, 1.6), (2, 3.2)]


def test_mlflow_does_not_look_for_spark_while_trials_are_written_and_may_do_so_later(mlflow_here: Any) -> None:
    seen: list[Any] = []

    def noted(values: Values, watch: Watch | None) -> Outcome:
        seen.append(sys.modules.get("pyspark", "absent"))
        return train(values, watch)

    run(sweep(mlflow_here.MlflowClient(), train=noted))
    assert set(seen) == {None}
    assert "pyspark" not in sys.modules


def test_a_run_took_as_long_as_its_training_although_it_is_written_later(mlflow_here: Any) -> None:
    def timed(values: Values, watch: Watch | None) -> Outcome:
        return replace(train(values, watch), began=100.0, ended=101.5)

    client = mlflow_here.MlflowClient()
    work = sweep(client, train=timed)
    run(work)
    found = {(child.info.start_time, child.info.end_time) for child in children(client, work.journal.parent)}
    assert found == {(100_000, 101_500)}


@pytest.mark.parametrize(
    ("changes", "most"),
    [({}, 3), ({"search": "random"}, 3), ({"search": "bayesian"}, 2), ({"prune": True}, 2)],
)
def test_one_more_trial_waits_for_a_process_unless_the_next_depends_on_scores(
    changes: dict[str, Any], most: int
) -> None:
    class Busy(Executor):
        """Ends no call."""

        def submit(self, *_: Any, **__: Any) -> "Future[Any]":
            return Future()

    running: dict[Future[Outcome], Values] = {}
    sweep(None, **changes)._start(running, Busy(), 2, 0)
    assert len(running) == most


def test_a_trial_takes_three_requests(mlflow_here: Any) -> None:
    client = Mortal(mlflow_here.MlflowClient(), -1)
    run(sweep(client))
    assert client.made == 1 + 6 * 3


@pytest.mark.parametrize("search", ["grid", "random", "bayesian"])
def test_a_sweep_killed_at_any_write_is_resumed_with_every_point_once(search: str, mlflow_here: Any) -> None:
    client = mlflow_here.MlflowClient()
    for calls in range(12):
        with pytest.raises(Killed):
            run(sweep(Mortal(client, calls), search=search, trials=6))
        # Each attempt gets further than the last, whatever was half written.
        if calls > 4:
            break
    work = sweep(client, search=search)
    run(work)
    found = children(client, work.journal.parent)
    points = [child.data.tags["sweep.point"] for child in found]
    assert len(points) == len(set(points)) == 6
    assert {child.info.status for child in found} == {"FINISHED"}
    assert all(child.data.metrics for child in found)


def test_a_finished_sweep_is_not_run_again_and_gives_the_same_best(mlflow_here: Any) -> None:
    client = mlflow_here.MlflowClient()
    first = sweep(client)
    assert len(run(first)) == 6
    again = sweep(client)
    assert run(again) == []
    assert again.best
    assert first.best
    assert again.best.run_id == first.best.run_id


@pytest.mark.parametrize("tags", [{}, {"sweep.name": "s"}, {"sweep.name": "s", "sweep.point": "["}])
def test_a_run_below_the_parent_that_is_no_trial_is_kept(mlflow_here: Any, tags: dict[str, str]) -> None:
    """Anyone may log one there, or move a run of others there with a tag."""
    client = mlflow_here.MlflowClient()
    first = sweep(client)
    run(first)
    others = [client.create_run("0", tags={"mlflow.parentRunId": first.journal.parent, **tags}) for _ in range(2)]
    assert run(sweep(client)) == []
    assert {client.get_run(one.info.run_id).info.lifecycle_stage for one in others} == {"active"}


def test_a_sweep_resumes_without_the_right_to_delete_runs(mlflow_here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = mlflow_here.MlflowClient()
    with pytest.raises(Killed):
        run(sweep(Mortal(client, 2)))

    def refuse(_run_id: str) -> None:
        raise mlflow_here.exceptions.MlflowException("API request failed with error code 403 != 200")

    monkeypatch.setattr(client, "delete_run", refuse)
    assert len(run(sweep(client))) == 6


def test_other_settings_under_the_same_name_are_refused(mlflow_here: Any) -> None:
    client = mlflow_here.MlflowClient()
    run(sweep(client))
    with pytest.raises(InputError, match="has other settings"):
        run(sweep(client), settings='{"seed": 2}')


@pytest.mark.parametrize("search", ["grid", "bayesian"])
def test_a_trial_whose_metric_is_no_number_is_written_and_never_the_best(search: str, mlflow_here: Any) -> None:
    def diverging(values: Values, watch: Watch | None) -> Outcome:
        outcome = train(values, watch)
        return replace(outcome, metrics={"score": {1: math.nan, 2: math.inf}.get(int(values["depth"]), 3.0)})

    client = mlflow_here.MlflowClient()
    work = sweep(client, train=diverging, search=search)
    assert len(run(work)) == 6
    again = sweep(client, train=diverging, search=search)
    assert run(again) == []
    for done in (work, again):
        assert done.best
        assert done.best.metrics == {"score": 3.0}


def test_the_bayesian_search_finds_better_points_than_its_first_ones(mlflow_here: Any) -> None:
    work = sweep(mlflow_here.MlflowClient(), search="bayesian", space=["rate=0..1", "depth=1..9"], trials=20)
    new = run(work)
    assert len({logged.point for logged in new}) == 20
    first, last = ([logged.metrics["score"] for logged in part] for part in (new[:8], new[12:]))
    assert sum(last) / 8 > sum(first) / 8


def test_trials_are_written_with_the_aws_session_that_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from sagemaker_mlflow.session import _get_current_session, use_session

    found: list[object] = []

    def write(values: Values, outcome: Outcome, metric: str) -> Logged:
        found.append(_get_current_session())
        return Logged("r", "{}", {}, outcome.metrics, stopped=False)

    work = sweep(None)
    monkeypatch.setattr(work.journal, "write", write)
    session = boto3.Session(region_name="us-east-1")
    with use_session(session):
        work.run(Here(), 2, lambda _: None)
    assert found == [session] * 6


def test_a_tracking_server_that_stops_is_reported_with_what_is_done(
    mlflow_here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException

    work = sweep(mlflow_here.MlflowClient())

    def refuse(*_: Any, **__: Any) -> None:
        raise MlflowException("API request failed with exception: Connection refused")

    numbers = iter(range(6))

    def write(values: Values, outcome: Outcome, metric: str) -> Logged:
        if next(numbers) >= 2:
            refuse()
        return written(values, outcome, metric)

    written = work.journal.write
    monkeypatch.setattr(work.journal, "write", write)
    with pytest.raises(PlatformError, match=r"2 of 6 trials are finished\. Run the same command again to resume"):
        run(work)


def ended_write(number: int) -> "Future[Logged]":
    future: Future[Logged] = Future()
    future.set_result(Logged(f"r{number}", "{}", {}, {"score": 1.0}, stopped=False))
    return future


def refused_write() -> "Future[Logged]":
    future: Future[Logged] = Future()
    future.set_exception(PlatformError("the tracking server cannot be reached."))
    return future


def test_trials_that_were_written_are_reported_although_others_could_not_be() -> None:
    # A set has no order, so many of each kind make sure that a written one follows a refused one.
    futures = {*map(ended_write, range(30)), *(refused_write() for _ in range(30))}
    work, writing, reported = sweep(None, trials=60), set(futures), list[Logged]()
    with pytest.raises(PlatformError, match=r"cannot be reached\. 30 of 60 trials are finished\. Run the same command"):
        work._note(futures, writing, reported.append)
    assert {logged.run_id for logged in reported} == {f"r{number}" for number in range(30)}
    assert writing == set()


def test_after_a_refused_write_no_other_is_started_and_those_in_flight_are_reported() -> None:
    began, released = Event(), Event()

    def write(name: str) -> Logged:
        began.set()
        released.wait()
        return Logged(name, "{}", {}, {"score": 1.0}, stopped=False)

    failed, reported = refused_write(), list[Logged]()
    with ThreadPoolExecutor(1) as writers:
        writing = {failed, *(writers.submit(write, name) for name in ("in flight", "waiting"))}
        began.wait()
        Timer(0.05, released.set).start()
        with pytest.raises(PlatformError, match=r"1 of 6 trials are finished"):
            sweep(None)._note({failed}, writing, reported.append)
    assert [logged.run_id for logged in reported] == ["in flight"]
    assert writing == set()


def test_trials_that_end_together_with_a_failing_one_are_written_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(values: Values, watch: Watch | None) -> Outcome:
        if values["depth"] == 1:
            raise RuntimeError("no memory")
        return train(values, watch)

    def write(values: Values, outcome: Outcome, metric: str) -> Logged:
        return Logged(str(values["depth"]), "{}", {}, outcome.metrics, stopped=False)

    work, reported = sweep(None, train=broken, space=["depth=1,2,3", "rate=0.1"], trials=3), list[Logged]()
    monkeypatch.setattr(work.journal, "write", write)
    with pytest.raises(PlatformError, match=r"failed with depth=1, rate=0\.1: RuntimeError: no memory"):
        work.run(Here(), 3, reported.append)
    assert {logged.run_id for logged in reported} == {"2", "3"}


@pytest.mark.parametrize(
    ("failing", "kind", "complaint"),
    [
        (ValueError("depth is wrong"), InputError, r"the training refuses depth=1, rate=0\.[12]: depth is wrong"),
        (RuntimeError("no memory"), PlatformError, r"the training failed with depth=1, rate=0\.[12]: RuntimeError"),
    ],
)
def test_a_trial_that_fails_ends_the_sweep_with_its_point(
    failing: Exception, kind: type[Exception], complaint: str, mlflow_here: Any
) -> None:
    def broken(values: Values, watch: Watch | None) -> Outcome:
        raise failing

    with pytest.raises(kind, match=complaint):
        run(sweep(mlflow_here.MlflowClient(), train=broken))


def test_an_unknown_metric_is_reported_with_the_known_ones(mlflow_here: Any) -> None:
    with pytest.raises(InputError, match=r"has no metric 'f1'\. It has score"):
        run(sweep(mlflow_here.MlflowClient(), metric="f1"))


def test_trials_worse_than_the_median_are_stopped(mlflow_here: Any) -> None:
    stopped: list[Mapping[str, Any]] = []

    def watched(values: Values, watch: Watch | None) -> Outcome:
        outcome = train(values, None)
        try:
            for step, value in outcome.steps:
                if watch:
                    watch.check(step, value)
        except Stopped:
            stopped.append(values)
            return Outcome(outcome.params, {"score": outcome.steps[0][1]}, outcome.steps[:1], stopped=True)
        return outcome

    client = mlflow_here.MlflowClient()
    work = sweep(client, train=watched, prune=True, space=["depth=9,8,7,6,5,4,1,10"], trials=8, search="grid")
    work.train = lambda values, watch: watched({**values, "rate": 0.0}, watch)
    run(work)
    assert [values["depth"] for values in stopped] == [1]
    assert work.best
    assert work.best.metrics == {"score": 10}
    marked = [child for child in children(client, work.journal.parent) if "sweep.stopped_early" in child.data.tags]
    assert len(marked) == 1
