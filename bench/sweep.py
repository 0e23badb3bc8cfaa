"""Measures what tracking adds to a sweep of 50 runs, on one MLflow server of localaws in the same run.

Three ways train the same points in the same processes: without tracking; as `sweep.py` does, with the parent run; and
with one `log_param` or `log_metric` call for each value, as MLflow's tutorials do. All start from processes that run
already, because their start takes equally long in each. By default one core is left for the server, which elsewhere has
a machine of its own. The table and the charts at the end of a sweep are timed on their own: their time does not depend
on the training. `--family boosting` has longer trainings with fewer values to log.

Other programs on the machine change the times, and the processor seconds of a run much less, so both are printed.

Targets: at most 1.2 times the time without tracking, at least 3 times faster than one call for each value, and at most
5 API calls a run. Exit status 1: a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # For tests.support.running, which starts a separate localaws.

from bench.targets import exit_status  # noqa: E402
from localaws import daemon  # noqa: E402
from mlflow_platform.sweeps import space, strategy  # noqa: E402
from training.params import FAMILIES  # noqa: E402

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_platform.sweeps.outcome import Outcome
    from mlflow_platform.sweeps.search import Train
    from tests.support.running import RunningLocalAws

MOST_OF_UNTRACKED, LEAST_FASTER, MOST_CALLS = 1.2, 3.0, 5.0
# The sweep of docs/guides/first-hour.md: 150 steps and 10 parameters a run.
DATASET, METRIC, SPACE = "diabetes", "rmse", "learning_rate=0.01..0.3:log:{}"


def main() -> int:
    """Measure, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=50, help="runs of the sweep (default 50)")
    parser.add_argument("--times", type=int, default=3, help="number of measurements, but of the loop (default 3)")
    cores = os.cpu_count() or 1
    parser.add_argument("--jobs", type=int, default=max(1, cores - 1), help="processes (default: all cores but one)")
    parser.add_argument("--family", choices=("xgboost", "boosting"), default="xgboost", help="what is trained")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="change the training")
    parser.add_argument("--server", help=argparse.SUPPRESS)
    given = parser.parse_args()
    axes = _axes(given.family, given.runs, given.param)
    if given.server:
        print(json.dumps(measure(given.server, given.family, axes, given.times, given.jobs)))
        return 0
    from tests.support.running import settled, start, tracking_server

    with tempfile.TemporaryDirectory() as folder:
        localaws = start(Path(folder) / "home")
        try:
            arn = tracking_server(localaws, "bench", wait=False)
            settled(localaws, "bench", 300)
            numbers = {"--runs": given.runs, "--times": given.times, "--jobs": given.jobs}
            options = [word for name, number in numbers.items() for word in (name, str(number))]
            options += ["--family", given.family]
            options += [word for text in given.param for word in ("--param", text)]
            found = _measured(localaws, ["--server", arn, *options])
        finally:
            daemon.down(localaws.settings)
    return _report(found, given.runs)


def _measured(localaws: RunningLocalAws, options: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.sweep", *options]
    environ = localaws.environ(PYTHONPATH=str(REPOSITORY))
    done = subprocess.run(command, cwd=REPOSITORY, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _report(found: dict[str, Any], runs: int) -> int:
    untracked, ours, loop = (statistics.median(found[name]) for name in ("untracked", "sweep", "loop"))
    calls = max(found["sweep_calls"])
    print(f"{'without tracking':28}{untracked:8.2f} s")
    print(f"{'sweep.py':28}{ours:8.2f} s, {ours / untracked:.2f} of it, {calls / runs:.2f} API calls a run")
    print(
        f"{'one call for each value':28}{loop:8.2f} s, {loop / ours:.2f} times sweep.py, "
        f"{max(found['loop_calls']) / runs:.2f} API calls a run"
    )
    print(f"{'one training':28}{statistics.median(found['training']):8.3f} s of processor time")
    for name in ("sweep", "loop"):
        seconds = statistics.median(found[f"{name}_processor"]) / runs
        print(f"{f'client of a run, {name}':28}{seconds:8.3f} s of processor time")
    print(f"{'load of the machine':28}{min(found['load']):8.1f} to {max(found['load']):.1f}")
    print(f"{'table and charts':28}{statistics.median(found['charts']):8.2f} s")
    print(json.dumps(found))
    missed = {
        f"{ours / untracked:.2f} of the time without tracking (at most {MOST_OF_UNTRACKED})": ours
        > MOST_OF_UNTRACKED * untracked,
        f"{loop / ours:.2f} times faster than one call for each value (at least {LEAST_FASTER})": loop
        < LEAST_FASTER * ours,
        f"{calls / runs:.2f} API calls a run (at most {MOST_CALLS})": calls > MOST_CALLS * runs,
    }
    return exit_status(line for line, is_missed in missed.items() if is_missed)


def measure(server: str, family: str, axes: list[space.Axis], times: int, jobs: int) -> dict[str, Any]:
    """The seconds, processor seconds of this process and HTTP requests of each way: the loop once, the others `times`
    times, alternately."""
    import boto3
    import mlflow
    import sagemaker_mlflow

    from mlflow_platform import tracking
    from mlflow_platform.sweeps.pool import open_pool

    tracking.prepare(os.environ)
    mlflow.set_tracking_uri(server)
    # As mlflow_platform.tracking.connect does.
    tracking.not_in_databricks()
    sagemaker_mlflow.set_session(boto3.Session())
    from mlflow.utils import rest_utils

    client = mlflow.MlflowClient()
    counted = [0]
    send = rest_utils._get_http_response_with_retries

    def count(*given: Any, **named: Any) -> Any:
        counted[0] += 1
        return send(*given, **named)

    rest_utils._get_http_response_with_retries = count
    points = space.grid(axes)
    found: dict[str, list[float]] = {}
    with open_pool(jobs) as pool:
        train = _train(family)
        # Starts the processes and opens the connection.
        list(pool.map(partial(_unwatched, train), points[: 2 * jobs]))
        found["training"] = list(pool.map(partial(_processor_seconds, train), points[:10]))
        for number in range(times):
            experiment = client.create_experiment(f"bench-{number}")
            ways: dict[str, Callable[[], None]] = {
                "untracked": lambda: untracked(pool, train, points),
                "sweep": partial(sweep, pool, jobs, train, axes, client, experiment),
                **({} if number else {"loop": partial(loop, pool, train, points, experiment)}),
            }
            for name, way in ways.items():
                counted[0], began, processor = 0, time.monotonic(), time.process_time()
                way()
                found.setdefault(name, []).append(time.monotonic() - began)
                found.setdefault(f"{name}_processor", []).append(time.process_time() - processor)
                found.setdefault("load", []).append(os.getloadavg()[0])
                found.setdefault(f"{name}_calls", []).append(counted[0])
                print(f"{name} {found[name][-1]:.2f} s", file=sys.stderr)
            began = time.monotonic()
            charts(client, experiment)
            found.setdefault("charts", []).append(time.monotonic() - began)
    return found


def _axes(family: str, runs: int, texts: Sequence[str]) -> list[space.Axis]:
    base = FAMILIES[family]
    return space.parse([SPACE.format(runs), *texts], {name: type(value) for name, value in vars(base).items()})


def _processor_seconds(train: Train, point: space.Values) -> float:
    began = time.process_time()
    train(point, None)
    return time.process_time() - began


def _train(family: str) -> Train:
    from training import trial

    return partial(trial.run, DATASET, family)


def _unwatched(train: Train, point: space.Values) -> Outcome:
    return train(point, None)


def untracked(pool: Executor, train: Train, points: Sequence[space.Values]) -> None:
    """Train every point."""
    list(pool.map(partial(_unwatched, train), points))


def sweep(
    pool: Executor, jobs: int, train: Train, axes: list[space.Axis], client: MlflowClient, experiment: str
) -> None:
    """Train every point as `sweep.py` does, with the parent run's start and end."""
    from mlflow_platform.sweeps.batch import log_batch
    from mlflow_platform.sweeps.journal import Journal
    from mlflow_platform.sweeps.search import Sweep

    search, most = strategy.make("grid", axes, maximize=False, seed=7)
    log = partial(log_batch, client.tracking_uri)
    journal = Journal(client, experiment, name="sweep", tags={"project": "bench"}, log_batch=log)
    work = Sweep(
        train=train, strategy=search, journal=journal, metric=METRIC, maximize=False, trials=most or 0, prune=False
    )
    work.resume(journal.open("{}"))
    work.run(pool, jobs, lambda _: None)
    with tempfile.TemporaryDirectory() as empty:
        journal.close(work.best, {"sweep.dataset": DATASET}, empty)


def charts(client: MlflowClient, experiment: str) -> None:
    """Draw what `sweep.py` draws at its end."""
    from mlflow_platform.comparison import page, reading, table

    rows = list(reading.runs(client, experiment, "tags.`sweep.point` LIKE '%'"))
    with tempfile.TemporaryDirectory() as folder:
        page.write(table.make(rows, METRIC, maximize=False), "Sweep", Path(folder))


def loop(pool: Executor, train: Train, points: Sequence[space.Values], experiment: str) -> None:
    """Train every point in the same processes, and log each parameter and each step's metric by a call of its own."""
    import mlflow

    with mlflow.start_run(experiment_id=experiment):
        for outcome in pool.map(partial(_unwatched, train), points):
            with mlflow.start_run(experiment_id=experiment, nested=True):
                for name, value in outcome.params.items():
                    mlflow.log_param(name, value)
                for step, score in outcome.steps:
                    mlflow.log_metric(METRIC, score, step=step)
                for name, value in outcome.metrics.items():
                    mlflow.log_metric(name, value)


if __name__ == "__main__":
    sys.exit(main())
