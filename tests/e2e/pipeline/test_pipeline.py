"""The training pipeline on localaws: it registers a good model, and a broken training stops before registration."""

import hashlib
import json
from pathlib import Path
from typing import Any

from mlflow_platform.factory import runs as factory_runs
from tests.e2e.pipeline.programs import MLPROJECT
from tests.e2e.pipeline.runs import runs_of
from tests.support.deployed import REPOSITORY, Deployed

PIPELINE = "e2e-training"


def versions(staging: Deployed, name: str) -> list[dict[str, Any]]:
    """The packages of a model in SageMaker's registry, where MLflow's automatic registration puts them."""
    sagemaker = staging.client("sagemaker")
    groups = sagemaker.list_model_package_groups(NameContains=name)["ModelPackageGroupSummaryList"]
    found = [sagemaker.list_model_packages(ModelPackageGroupName=one["ModelPackageGroupName"]) for one in groups]
    return [package for one in found for package in one["ModelPackageSummaryList"]]


def check_tracking(runs: list[dict[str, Any]], found: dict[str, Any], model: str) -> None:
    """Every step has a run below the execution's run, with the same tags."""
    from training.data import table

    text = table("iris")[0].to_csv(index=False)
    tags = {
        "pipeline.execution": found["execution"].rsplit("/", 1)[-1],
        "pipeline.name": PIPELINE,
        "mlflow.source.git.commit": runs_commit(),
        "data.version": hashlib.sha256(text.encode()).hexdigest()[:16],
    }
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run["tags"]]
    assert (parent["id"], parent["tags"]["pipeline.model"]) == (found["run_id"], model)
    steps = [run for run in runs if run["tags"].get("mlflow.parentRunId") == parent["id"]]
    names = ["evaluate", "prepare", "register", "train", "tune"]
    assert sorted(run["tags"]["pipeline.step"] for run in steps) == names
    (tune,) = [run for run in steps if run["tags"]["pipeline.step"] == "tune"]
    trials = [run for run in runs if run not in [parent, *steps]]
    assert {run["tags"]["mlflow.parentRunId"] for run in trials} == {tune["id"]}
    for run in runs:
        assert run["status"] == "FINISHED"
        assert tags.items() <= run["tags"].items(), run["tags"]


def runs_commit() -> str:
    """The commit that runs of this checkout's training have."""
    commit = factory_runs.commit(REPOSITORY / "training")
    assert commit
    return commit


def test_a_good_model_is_registered_and_each_step_has_a_run(staging: Deployed) -> None:
    options = ["--name", PIPELINE, "--register", "e2e-iris", "--set", "tune.trials=1"]
    found = staging.result("run_pipeline", *options)
    assert found["model_uri"] == "models:/e2e-iris/1"
    assert len(versions(staging, "e2e-iris")) == 1
    check_tracking(runs_of(staging, PIPELINE), found, "models:/e2e-iris/1")
    # The second execution takes every step but the registration from the cache. Its model is not good enough.
    again = staging.script("run_pipeline", *options, "--threshold", "1.1", check=False)
    assert again.returncode == 1
    assert "Train: Succeeded (from the cache)" in again.stderr
    assert "error: nothing was registered: accuracy is 0." in again.stderr
    assert "which is below the threshold 1.1." in again.stderr
    assert len(versions(staging, "e2e-iris")) == 1


def test_a_broken_training_stops_before_registration(staging: Deployed, tmp_path: Path) -> None:
    project = tmp_path / "broken"
    project.mkdir()
    (project / "MLproject").write_text(MLPROJECT.replace("{name}", "broken"))
    (project / "train.py").write_text("raise ValueError('the learning rate is negative')\n")
    options = ["--name", "e2e-broken", "--register", "e2e-broken", "--project", str(project)]
    done = staging.script("run_pipeline", *options, check=False)
    assert done.returncode == 1
    assert "error: the step Train failed: AlgorithmError: ValueError: the learning rate is negative" in done.stderr
    assert "Evaluate" not in done.stderr
    assert versions(staging, "e2e-broken") == []


def test_a_tuning_job_has_a_run_for_each_trial_and_names_the_best(staging: Deployed) -> None:
    options = ["--on", "sagemaker", "--family", "linear", "--param", "regularization=0.1,1000"]
    found = staging.result("sweep", *options)
    assert (found["trials"], found["failed_trials"]) == (2, 0)
    assert json.loads(found["best_parameters"]) == {"regularization": 0.1}
    assert "--family linear --set regularization=0.1 --register iris --alias champion" in found["register_it"]
    assert found["best_training_job"].startswith(f"{found['tuning_job']}-")
    # The same command finds the tuning job instead of starting another one.
    again = staging.result("sweep", *options)
    assert (again["tuning_job"], again["best_run"]) == (found["tuning_job"], found["best_run"])


def test_a_tuning_job_trains_on_a_file_of_the_users_own(staging: Deployed, tmp_path: Path) -> None:
    file = tmp_path / "my shops.csv"
    rows = [f"{number},{'red' if number % 3 else 'blue'},{'yes' if number % 2 else 'no'}" for number in range(40)]
    file.write_text("\n".join(["size,color,buys it", *rows]))
    options = ["--on", "sagemaker", "--data", str(file), "--target", "buys it", "--param", "max_depth=2"]
    options += ["--param", "n_estimators=5"]
    found = staging.result("sweep", *options)
    assert (found["trials"], found["failed_trials"]) == (1, 0)
    assert "--target 'buys it' --set max_depth=2" in found["register_it"]
    version = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    query = f"tags.`data.version` = '{version}' and params.`data.target` = 'buys it'"
    compared = staging.result("compare_runs", "my shops-sweeps", "--metric", "accuracy", "--filter", query)
    assert (compared["runs"], compared["best_run"]) == (1, found["best_run"])
