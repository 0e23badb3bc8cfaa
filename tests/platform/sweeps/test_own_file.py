"""A sweep over a file of the user's own."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.sweeps.journal import Logged
from mlflow_platform.sweeps.outcome import Watch
from scripts import sweep
from training import tables, trial
from training.params import ForestParams, with_changes

SMALL: dict[str, object] = {"n_estimators": 4, "trees_per_step": 2}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_shops.csv"
    lines = [f"{number},{'red' if number % 3 else 'blue'},{'yes' if number % 2 else 'no'}" for number in range(40)]
    path.write_text("\n".join(["size,color,buys", *lines]))
    return path


def options(file: Path, target: str = "buys", metric: str | None = None) -> sweep.Options:
    source = sweep._source("iris", (file, target), None)
    made: sweep.Options = sweep._options(source, None, ["max_depth=2,3"], "grid", metric)(
        trials=None, jobs=1, prune=False, seed=7
    )
    return made


def test_a_trial_trains_what_log_run_trains(file: Path) -> None:
    outcome = trial.run_on_file(file, "buys", {**SMALL, "max_depth": 2}, None)
    params = with_changes(ForestParams(), ["n_estimators=4", "trees_per_step=2", "max_depth=2"])
    assert isinstance(params, ForestParams)
    assert outcome.metrics == dict(tables.train(file, "buys", params).metrics)
    assert (outcome.params["dataset"], outcome.params["target"]) == ("my_shops", "buys")
    assert [step for step, _ in outcome.steps] == [2, 4]


def test_a_trial_that_is_worse_than_the_median_is_stopped(file: Path) -> None:
    outcome = trial.run_on_file(file, "buys", SMALL, Watch("accuracy", True, {2: 2.0}))
    assert outcome.stopped
    assert [step for step, _ in outcome.steps] == [2]


@pytest.mark.parametrize(("target", "metric", "maximize"), [("buys", "accuracy", True), ("size", "rmse", False)])
def test_the_column_decides_the_metric(target: str, metric: str, maximize: bool, file: Path) -> None:
    if target == "size":
        file.write_text("\n".join(["size,color,buys", *(f"{number}.25,red,yes" for number in range(40))]))
    found = options(file, target)
    assert (found.metric, found.maximize) == (metric, maximize)


def test_another_content_is_another_sweep_and_the_same_content_the_same(file: Path) -> None:
    first = options(file).name
    assert first.startswith("my_shops-forest-grid-")
    assert options(file).name == first
    file.write_text(file.read_text() + "\n41,red,yes")
    assert options(file).name != first


def test_the_best_run_is_registered_with_the_same_file_under_a_valid_name(file: Path) -> None:
    environment: Any = SimpleNamespace(ref=SimpleNamespace(options="--env staging --local"))
    best = Logged("r", json.dumps({"max_depth": 2}), {"accuracy": 1.0}, (), False)
    command = sweep._command(options(file), environment, best)
    assert f"--data {file} --target buys --set max_depth=2 --register my-shops --alias champion" in command
    assert "--dataset" not in command


def test_a_metric_of_the_other_task_and_another_family_are_refused(file: Path) -> None:
    with pytest.raises(InputError, match="there is no metric 'rmse' of my_shops"):
        options(file, metric="rmse")
    with pytest.raises(InputError, match="--data FILE trains random forests"):
        sweep._source("iris", (file, "buys"), "linear")
