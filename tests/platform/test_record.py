"""Logging a training: everything is logged, in few requests and in a form that other tools can read."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock
from werkzeug.serving import make_server

from mlflow_platform.environment import REPOSITORY
from mlflow_platform.monitoring import baseline
from mlflow_platform.tracking import experiment_id, register
from mlflow_platform.validation import evaluation
from mlflow_platform.validation.rows import prepare
from mlflow_platform.validation.signature import Signature
from tests.platform.conftest import SMALL
from training import train as program
from training.params import DATASETS, Dataset
from training.result import Training
from training.train import train

Trained = Callable[[Dataset], Training]


@pytest.fixture
def requests_made(mlflow_here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The requests to a real MLflow server in this process, which MLflow uses from now on."""
    import mlflow.server
    from mlflow.server.handlers import _get_model_registry_store, _get_tracking_store

    made: list[str] = []

    def counted(environ: Any, start_response: Any) -> Any:
        made.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'].rpartition('/2.0/mlflow/')[2]}")
        return mlflow.server.app(environ, start_response)

    address = mlflow_here.get_tracking_uri()
    _get_tracking_store(address, str(tmp_path / "artifacts"))
    _get_model_registry_store(address)
    server = make_server("127.0.0.1", 0, counted, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    mlflow_here.set_tracking_uri(f"http://127.0.0.1:{server.port}")
    mlflow_here.set_registry_uri(f"http://127.0.0.1:{server.port}")
    yield made
    server.shutdown()
    thread.join()


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_run_holds_parameters_metrics_tags_and_data_sets(
    dataset: Dataset, trained: Trained, mlflow_here: Any
) -> None:
    from training.record import record

    training = trained(dataset)
    recorded = record(training, tags={"project": "mlflow"})
    client = mlflow_here.MlflowClient()
    run = client.get_run(recorded.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"dataset": dataset} | training.params.as_strings()
    assert run.data.tags["project"] == "mlflow"
    assert run.data.tags["evaluation.target"] == training.split.target
    for name, value in training.metrics.items():
        assert run.data.metrics[name] == pytest.approx(value, rel=1e-5)
    for name, points in training.fitted.history.items():
        logged = client.get_metric_history(recorded.run_id, name)
        assert [(metric.step, metric.value) for metric in logged] == list(points)
    contexts = {given.dataset.name: given.tags[0].value for given in run.inputs.dataset_inputs}
    assert contexts == {f"{dataset}-training": "training", f"{dataset}-evaluation": "evaluation"}


def test_the_held_out_rows_can_be_fetched_as_they_were(trained: Trained, mlflow_here: Any) -> None:
    from training.record import record

    training = trained("iris")
    found = evaluation.fetch(mlflow_here.MlflowClient(), record(training).run_id)
    rows = prepare(found.table, found.target, task=found.task, signature=Signature(), origin="the run")
    pd.testing.assert_frame_equal(pd.DataFrame({**rows.features, rows.target: rows.truth}), training.split.held_out)
    assert (rows.target, rows.task) == ("species", "classification")


def test_charts_become_artifacts(trained: Trained, mlflow_here: Any, tmp_path: Path) -> None:
    from training.record import record

    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "iris.png").touch()
    recorded = record(trained("iris"), charts=tmp_path / "charts")
    files = mlflow_here.MlflowClient().list_artifacts(recorded.run_id, "evaluation")
    tables = {"evaluation/held_out.csv", "evaluation/training.csv", "evaluation/held_out_predictions.csv"}
    assert {file.path for file in files} == {*tables, "evaluation/iris.png"}


def test_monitoring_finds_the_training_rows_and_the_predictions(trained: Trained, mlflow_here: Any) -> None:
    from training.record import record

    training = trained("diabetes")
    client, run_id = mlflow_here.MlflowClient(), record(training).run_id
    found = baseline.from_run(client, run_id, Signature())
    outside = baseline.from_run(client, run_id, Signature(), ["s3://another"])
    assert not outside.columns
    assert "outside of s3://another" in outside.notes[0]
    assert (found.origin.split(" of ")[0], found.task, found.notes) == ("the training rows", "regression", [])
    assert len(found.columns["prediction"]) == len(training.predictions)
    assert found.columns["bmi"] == training.split.train["bmi"].tolist()


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_model_has_signature_example_and_requirements(dataset: Dataset, trained: Trained, mlflow_here: Any) -> None:
    from training.models import requirements
    from training.record import record

    training = trained(dataset)
    folder = Path(mlflow_here.artifacts.download_artifacts(record(training).model_uri))
    lines = (folder / "requirements.txt").read_text().split()
    assert lines == requirements(training.fitted.flavor)
    info = mlflow_here.models.get_model_info(str(folder))
    features = training.split.features(training.split.held_out)
    assert info.signature.inputs.input_names() == list(features.columns)
    example = json.loads((folder / "serving_input_example.json").read_text())["dataframe_split"]
    assert example["columns"] == list(features.columns)
    predicted = mlflow_here.pyfunc.load_model(str(folder)).predict(features)
    assert list(predicted) == list(training.predictions)


def test_the_final_metrics_belong_to_the_model_too(trained: Trained, mlflow_here: Any) -> None:
    from training.record import record

    model = mlflow_here.get_logged_model(record(trained("iris")).model_id)
    assert {metric.key for metric in model.metrics} == {"train_accuracy", "accuracy", "f1_macro"}
    assert {metric.step for metric in model.metrics} == {6}
    assert model.params["n_estimators"] == "6"


def test_a_failure_marks_the_run_as_failed(trained: Trained, mlflow_here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from training import record

    def refuse(_: Training) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(record, "_log_model", refuse)
    with pytest.raises(RuntimeError, match="no room"):
        record.record(trained("iris"))
    (run,) = mlflow_here.MlflowClient().search_runs(["0"])
    assert run.info.status == "FAILED"


@pytest.mark.parametrize("dataset", DATASETS)
def test_logging_and_registering_take_at_most_twenty_requests(
    dataset: Dataset, trained: Trained, mlflow_here: Any, requests_made: list[str]
) -> None:
    from training.record import record

    client = mlflow_here.MlflowClient()
    recorded = record(trained(dataset), experiment_id=experiment_id(client, dataset))
    register(client, name=dataset, model_uri=recorded.model_uri, run_id=recorded.run_id, alias="champion")
    assert len(requests_made) <= 20, requests_made
    assert sum(made.endswith("runs/log-batch") for made in requests_made) == 1


def test_a_history_longer_than_one_batch_is_logged_completely(mlflow_here: Any, requests_made: list[str]) -> None:
    from training.record import record

    training = train("diabetes", replace(SMALL["diabetes"], n_estimators=600))  # type: ignore[call-arg]
    recorded = record(training)
    assert sum(made.endswith("runs/log-batch") for made in requests_made) == 2
    assert len(mlflow_here.MlflowClient().get_metric_history(recorded.run_id, "rmse")) == 600


def test_the_program_logs_to_mlflows_tracking_uri(mlflow_here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--dataset", "iris", "--seed", "3", "--set", "n_estimators=5"]) == 0
    output = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    run = mlflow_here.get_run(output["run"])
    assert (run.data.params["seed"], run.data.params["n_estimators"]) == ("3", "5")
    assert float(output["accuracy"]) == pytest.approx(run.data.metrics["accuracy"], abs=1e-4)


def test_the_program_trains_on_a_file_in_a_run_of_mlflow_run(
    mlflow_here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mlflow run` logs all parameters of the entry point first, also `dataset`, which --data does not use."""
    file = tmp_path / "shops.csv"
    file.write_text("size,open\n" + "".join(f"{number},{number % 2}\n" for number in range(40)))
    client = mlflow_here.MlflowClient()
    run_id = client.create_run("0").info.run_id
    client.log_param(run_id, "dataset", "iris")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    assert program.main(["--data", str(file), "--target", "open", "--set", "n_estimators=5"]) == 0
    run = client.get_run(run_id)
    assert (run.info.status, run.data.params["data.name"], run.data.params["seed"]) == ("FINISHED", "shops", "7")


def test_the_program_rejects_an_unknown_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--set", "trees=5"]) == 2
    assert "NAME=VALUE" in capsys.readouterr().err


@pytest.mark.system
@pytest.mark.parametrize("manager", ["local", "uv"])
def test_mlflow_run_logs_to_the_run_that_it_created(
    manager: str, mlflow_here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in an activated environment: `mlflow run` starts the first python and the first uv on PATH.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MLFLOW_ENV_ROOT", str(tmp_path / "environments"))
    folder = str(Path(program.__file__).parent)
    parameters = {"dataset": "iris", "set": "seed=5"}
    submitted = mlflow_here.projects.run(folder, "train", parameters=parameters, env_manager=manager, synchronous=True)
    run = mlflow_here.get_run(submitted.run_id)
    assert (run.data.params["seed"], run.info.status) == ("5", "FINISHED")
    assert run.outputs.model_outputs
    # An environment of its own has what python_env.yaml names.
    assert (manager == "uv") == any(tmp_path.glob("environments/*/lib/python3.11/site-packages/skops"))


@pytest.mark.system
def test_the_boosted_model_can_be_served_with_its_requirements_alone(trained: Trained, mlflow_here: Any) -> None:
    """The endpoint of tests/e2e/smoke serves the forest: its container has only the model's requirements."""
    from training.record import record

    training = trained("diabetes")
    folder = Path(mlflow_here.artifacts.download_artifacts(record(training).model_uri))
    python = environment_of(folder / "requirements.txt")
    features = training.split.features(training.split.held_out)
    rows = {"dataframe_split": features.to_dict(orient="split", index=False)}
    done = subprocess.run(
        [python, "-c", SERVE, str(folder)], input=json.dumps(rows), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(training.predictions) == pytest.approx(json.loads(done.stdout)["predictions"])


# Answers one request with MLflow's scoring server, called as uvicorn calls it, but without a socket.
SERVE = """
import asyncio, sys, uvicorn
from mlflow.pyfunc import scoring_server

app = scoring_server.init(scoring_server.load_model_with_mlflow_config(sys.argv[1]))
headers = [(b"content-type", b"application/json")]
scope = {"type": "http", "method": "POST", "path": "/invocations", "query_string": b"", "headers": headers}

async def receive():
    return {"type": "http.request", "body": sys.stdin.buffer.read()}

async def send(message):
    sys.stdout.write(message.get("body", b"").decode())

asyncio.run(app(scope, receive, send))
"""


def environment_of(requirements: Path) -> Path:
    """A virtual environment with only these requirements. It is kept and used again for the same requirements."""
    name = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = REPOSITORY / ".cache" / "unit" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "complete").exists():
            uv = [sys.executable, "-m", "uv"]
            subprocess.run([*uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
            install = [*uv, "pip", "install", "-q", "--python", folder / "bin" / "python", "-r", requirements]
            # From uv's cache if it has everything, because the package index needs a network.
            if subprocess.run([*install, "--offline"], check=False, capture_output=True).returncode:
                subprocess.run(install, check=True)
            (folder / "complete").touch()
    return folder / "bin" / "python"
