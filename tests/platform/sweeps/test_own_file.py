"""A sweep over a file of the user's own."""

import hashlib
import io
import json
import math
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.sweeps import job_files
from mlflow_platform.sweeps.journal import Journal, Logged
from mlflow_platform.sweeps.outcome import Watch
from scripts import sweep
from training import tables, train, trial
from training.models import DivergedError
from training.params import ForestParams, with_changes

SMALL: dict[str, object] = {"n_estimators": 4, "trees_per_step": 2}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    # Alone in its folder, as in a channel of a job.
    path = tmp_path / "data" / "my_shops.csv"
    path.parent.mkdir()
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


def test_a_trial_that_diverges_does_not_end_the_sweep(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(*given: Any) -> Any:
        for step, score in enumerate([1.5, math.nan, math.inf]):
            given[-1](step, score)
        raise DivergedError("the model predicts infinity")

    monkeypatch.setattr(tables, "train", diverge)
    outcome = trial.run_on_file(file, "buys", SMALL, Watch("rmse", False, dict.fromkeys(range(3), 2.0)))
    assert math.isnan(outcome.metrics["rmse"])
    assert outcome.steps == ((0, 1.5),)


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


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ("size,color,buys\n", "has no rows"),
        ("", "is empty"),
        ("size,buys\n" + "1,yes\n" * 12 + "2\n", "Expected 2 columns, got 1"),
        ("size,buys\n" + "1,yes\n" * 12, "the same class in 'buys'"),
        ("size,buys\n" + "1,yes\n2,no\n" * 4, "has 8 rows. Training needs at least 10"),
        ('{"size": [1], "buys": "yes"}\n{"size": [2], "buys": "no"}\n' * 6, "the column 'size' holds lists or objects"),
        ("buys\n" + "yes\nno\n" * 8, "no column beside"),
    ],
)
def test_a_file_that_cannot_be_trained_on_is_refused_before_anything_starts(
    changed: str, problem: str, file: Path
) -> None:
    file = file.with_suffix(".jsonl" if changed.startswith("{") else ".csv")
    file.write_text(changed)
    with pytest.raises(InputError, match=problem) as refused:
        options(file)
    assert len(refused.value.message.splitlines()) == 1


def test_another_content_is_another_sweep_and_the_same_content_the_same(file: Path) -> None:
    first = options(file).name
    assert first.startswith("my_shops-forest-grid-")
    assert options(file).name == first
    file.write_text(file.read_text() + "\n41,red,yes")
    assert options(file).name != first


def test_a_sweep_is_found_again_whatever_the_name_of_the_file(file: Path, mlflow_here: Any) -> None:
    named = options(file.rename(file.with_name('it\'s "my" `shop`\\.csv'))).name
    journal = Journal(mlflow_here.MlflowClient(), "0", name=named, tags={})
    assert not journal.find("{}")
    assert journal.find("{}")


def test_the_best_run_is_registered_with_the_same_file_under_a_valid_name(file: Path) -> None:
    environment: Any = SimpleNamespace(ref=SimpleNamespace(options="--env staging --local"))
    best = Logged("r", json.dumps({"max_depth": 2}), {"accuracy": 1.0}, (), False)
    command = sweep._command(options(file), environment, best)
    assert f"--data {file} --target buys --set max_depth=2 --register my-shops --alias champion" in command
    assert "--dataset" not in command


def test_a_training_job_trains_on_the_file_of_its_channel(
    file: Path, capsys: pytest.CaptureFixture[str], mlflow_here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = mlflow_here.MlflowClient()
    run = client.create_run("0")
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    changes = ",".join(f"{name}={value}" for name, value in SMALL.items())
    options = ["--data", str(file.parent), "--target", "buys", "--set", f"{changes},max_depth=2"]
    assert train.main(options) == 0
    expected = trial.run_on_file(file, "buys", {**SMALL, "max_depth": 2}, None).metrics
    assert f"accuracy: {expected['accuracy']:.4f}" in capsys.readouterr().out
    logged = client.get_run(run.info.run_id).data
    assert logged.metrics["accuracy"] == expected["accuracy"]
    assert logged.tags["data.version"] == hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    assert logged.params["data.target"] == "buys"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"--target": ""}, "--data needs --target COL"),
        ({"--target": "buy"}, "my_shops.csv has no column 'buy'"),
        ({"--family": "linear"}, "--data FILE trains a random forest"),
        ({"--set": "depth=1"}, "'depth=1' is not NAME=VALUE"),
        ({"--data": "/proc/self/fd"}, "files. It must hold one"),
    ],
)
def test_a_training_on_a_file_refuses_wrong_input_in_one_line(
    changed: dict[str, str], problem: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"--data": str(file), "--target": "buys", **changed}
    assert train.main([word for option in given.items() for word in option]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert problem in line


def test_the_code_of_the_jobs_holds_what_reading_a_file_imports(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(job_files.archive(packages=True))) as tar:
        tar.extractall(tmp_path)  # noqa: S202 made by this test
    project = json.loads((tmp_path / "project.json").read_text())
    assert "PYTHONPATH=..:../src " in project["entry_points"]["train"]["command"]
    # -S: without this repository's packages, which the environment of the tests has.
    program = "import training.tables, mlflow_platform; print(mlflow_platform.__file__)"
    environ = {"PYTHONPATH": "..:../src"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=tmp_path / "training", env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert Path(tmp_path / "training", done.stdout.strip()).resolve().is_relative_to(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(job_files.archive(packages=False))) as tar:
        assert not [name for name in tar.getnames() if name.startswith("src/mlflow_platform")]


def test_a_file_that_changes_before_its_upload_is_refused(file: Path) -> None:
    environment: Any = SimpleNamespace(artifact_store="s3://b/store", bucket="b")
    digest = options(file).digest
    file.write_text(file.read_text() + "\n41,red,yes")
    nothing: Any = None
    with pytest.raises(InputError, match="has changed since this command read it"):
        job_files.upload_data(environment, nothing, file, digest)


def test_a_metric_of_the_other_task_and_another_family_are_refused(file: Path) -> None:
    with pytest.raises(InputError, match="there is no metric 'rmse' of my_shops"):
        options(file, metric="rmse")
    with pytest.raises(InputError, match="--data FILE trains random forests"):
        sweep._source("iris", (file, "buys"), "linear")
