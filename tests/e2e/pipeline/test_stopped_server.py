"""The training pipeline while its tracking server stops, and while somebody starts it a second time."""

import time
from pathlib import Path

import pytest

from tests.e2e.pipeline.programs import MLPROJECT, started
from tests.e2e.pipeline.runs import runs_of
from tests.support.deployed import Deployed
from tests.support.waiting import eventually

# Its training logs for some seconds, so that it is running when the server stops.
TRAIN = """\
import sys, time
import mlflow

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str]) -> list[str]:
        return model_input

with mlflow.start_run():
    for step in range(20):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
        time.sleep(0.5)
    mlflow.pyfunc.log_model(name="model", python_model=Model(), pip_requirements=[])
open(sys.argv[1] + "/done.txt", "w").write("done")
"""
EVALUATE = """\
import sys
open(sys.argv[1] + "/evaluation.json", "w").write('{"metrics": {"accuracy": {"value": 0.95}}}')
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "slow"
    folder.mkdir()
    for name, text in (
        ("MLproject", MLPROJECT.replace("{name}", "slow")),
        ("train.py", TRAIN),
        ("evaluate.py", EVALUATE),
    ):
        (folder / name).write_text(text)
    return folder


def switch(alone: Deployed, *, on: bool) -> None:
    """Start or stop the tracking server, and wait."""
    sagemaker, name = alone.client("sagemaker"), alone.outputs["tracking_server_name"]
    (sagemaker.start_mlflow_tracking_server if on else sagemaker.stop_mlflow_tracking_server)(TrackingServerName=name)
    wanted = "Started" if on else "Stopped"
    assert eventually(
        lambda: sagemaker.describe_mlflow_tracking_server(TrackingServerName=name)["TrackingServerStatus"] == wanted
    )


def test_a_step_starts_again_after_the_server_was_stopped_in_the_middle(alone: Deployed, project: Path) -> None:
    options = ["--project", str(project), "--name", "interrupted", "--register", "interrupted"]
    with started(alone, "run_pipeline", *options) as first:
        first.wait_for("Train: Executing")
        assert eventually(lambda: any(run["metrics"] for run in runs_of(alone, "interrupted")))
        # A second execution is refused while one runs, and changes nothing.
        second = alone.script("run_pipeline", *options, check=False)
        assert (second.returncode, second.stdout) == (3, "")
        assert "of interrupted is still running. Wait for it, stop it with" in second.stderr
        switch(alone, on=False)
        time.sleep(5)
        switch(alone, on=True)
        status, text = first.end()
    assert status == 0, text
    runs = runs_of(alone, "interrupted")
    assert {run["tags"].get("pipeline.step") for run in runs} == {
        "pipeline",
        "prepare",
        "train",
        "evaluate",
        "register",
    }
    assert {run["status"] for run in runs} == {"FINISHED"}
    (trained,) = [run for run in runs if run["tags"]["pipeline.step"] == "train"]
    assert trained["metrics"] == {"loss": 0.05}


def test_a_server_that_stays_stopped_fails_the_step_with_that_reason(alone: Deployed, project: Path) -> None:
    with started(
        alone, "run_pipeline", "--project", str(project), "--name", "cut-off", "--register", "cut-off"
    ) as first:
        first.wait_for("Train: Executing")
        assert eventually(lambda: any(run["metrics"] for run in runs_of(alone, "cut-off")))
        switch(alone, on=False)
        status, text = first.end()
    switch(alone, on=True)
    assert status == 1
    assert "error: the step Train failed: AlgorithmError: the tracking server cannot be reached after several" in text
    assert "Evaluate" not in text
