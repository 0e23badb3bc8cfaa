"""`validate_endpoint.py` as a program: its output, files, logged results and exit status."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from mlflow.exceptions import MlflowException

from mlflow_common import console
from mlflow_platform.environment import Environment
from mlflow_platform.validation.signature import Signature
from scripts import validate_endpoint
from tests.platform.conftest import BUCKET
from tests.platform.endpoints.fleet import Fleet, Step
from tests.platform.validation.support import Predict, Runtime, columns
from tests.platform.validation.test_served_artifact import archive

ENDPOINT = "mlflow-staging-zips"
KNOWN = {("02134", "NA"): "namibia", ("00501", "US"): "us"}
ROWS = "zip,country,label\n02134,NA,namibia\n00501,US,us\n"
TYPES = columns(zip="string", country="string")

Validate = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def client(mlflow_here: Any) -> Any:
    return mlflow_here.MlflowClient()


@pytest.fixture
def run_id(client: Any, tmp_path: Path) -> str:
    """A run with held-out rows."""
    run_id = str(client.create_run("0").info.run_id)
    (tmp_path / "held_out.csv").write_text(ROWS)
    client.log_artifact(run_id, str(tmp_path / "held_out.csv"), "evaluation")
    client.set_tag(run_id, "evaluation.target", "label")
    return run_id


class World:
    """An endpoint, the bucket with its model, and the tracking server."""

    def __init__(self, fleet: Fleet, s3: Any) -> None:
        self.fleet, self.s3 = fleet, s3
        self.runtime: Any = None
        self.answer(lambda frame: [KNOWN.get(tuple(row), "?") for row in frame.to_numpy().tolist()])

    def answer(self, predict: Predict, signature: Signature = TYPES) -> None:
        """Set the endpoint's predictions, for rows with the signature."""
        self.runtime = Runtime(signature, predict)
        fields = [{"name": each.name, "type": each.type, "required": each.required} for each in signature.inputs]
        mlmodel = json.dumps({"signature": {"inputs": json.dumps(fields)} if fields else None})
        self.s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=archive({"MLmodel": mlmodel}))

    def serve(self, *others: str, **tags: str) -> None:
        """Let the endpoint serve the model, with these tags and beside other variants."""
        sagemaker = self.fleet.sagemaker
        role = "arn:aws:iam::123456789012:role/endpoint"
        container = {"Image": "image", "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}
        sagemaker.create_model(ModelName="model", ExecutionRoleArn=role, PrimaryContainer=container)
        capacity = {"ModelName": "model", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        variants = [{"VariantName": name, **capacity} for name in ("AllTraffic", *others)]
        sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=variants)
        self.fleet.serve(ENDPOINT, Step("InService", "config"), tags={k.replace("_", "-"): v for k, v in tags.items()})

    def client(self, service: str, **_: Any) -> Any:
        return {"sagemaker": self.fleet.sagemaker, "s3": self.s3, "sagemaker-runtime": self.runtime}[service]


@pytest.fixture
def world(
    aws: Callable[[str], Any], fleet: Fleet, environment: Environment, client: Any, monkeypatch: pytest.MonkeyPatch
) -> World:
    world = World(fleet, aws("s3"))
    session = SimpleNamespace(client=world.client)
    names = ("name", "account", "region", "project", "prefix")
    store = SimpleNamespace(**{name: getattr(environment, name) for name in names})
    store.ref, store.server = environment.ref, environment.server
    store.artifact_stores = ("s3://bucket", client.get_experiment("0").artifact_location)
    monkeypatch.setattr(validate_endpoint, "open_environment", lambda *_, **__: (store, session))
    monkeypatch.setattr(validate_endpoint, "_connect", lambda *_: client)
    return world


@pytest.fixture
def validate(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Validate:
    """Run the script. Return its exit status, its JSON output, and standard error."""

    def call(*arguments: str) -> tuple[int, Any, str]:
        monkeypatch.setattr(sys, "argv", ["validate_endpoint.py", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            console.run(validate_endpoint.app)
        printed = capsys.readouterr()
        return int(str(ended.value.code)), json.loads(printed.out) if printed.out else None, printed.err

    return call


def test_the_runs_held_out_rows_are_scored_and_the_result_is_logged(
    world: World, validate: Validate, client: Any, run_id: str
) -> None:
    world.serve(run_id=run_id, model_name="zips", model_uri="models:/zips/1")
    status, found, _ = validate("models:/zips@champion", "--threshold", "0.9", "--threshold", "latency_p99_ms=60000")
    assert (status, found["accuracy"], found["rows"], found["passed"], found["logged"]) == (0, 1.0, 2, True, True)
    assert found["thresholds"] == {"accuracy": 0.9, "latency_p99_ms": 60000}
    assert found["model_uri"] == "models:/zips/1"
    assert client.get_run(run_id).data.metrics["validation/accuracy"] == 1
    names = {file.path for file in client.list_artifacts(run_id, "validation")}
    assert names == {"validation/report.html", "validation/confusion_matrix.png", "validation/latency.png"}
    assert Path(found["report"]) == Path("reports", ENDPOINT, "report.html")


def test_a_result_that_cannot_be_logged_is_shown_before_the_command_fails(
    world: World, validate: Validate, client: Any, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.serve(run_id=run_id, model_name="zips", model_uri="models:/zips/1")
    for name in ("log_batch", "log_artifact", "get_run"):
        with monkeypatch.context() as patch:
            patch.setattr(client, name, Mock(side_effect=MlflowException("the disk is full")))
            rows = ("--data", "held_out.csv", "--target", "label")
            status, found, err = validate("models:/zips@champion", *rows)
        assert (status, found["accuracy"], found["passed"], found["logged"]) == (1, 1.0, True, False)
        assert f"error: the validation was not logged to run {run_id}, or only in part: the tracking server says" in err
        assert Path(found["report"]).is_file()


def test_classes_that_hardly_differ_are_shown_and_in_the_report(
    world: World, validate: Validate, tmp_path: Path
) -> None:
    world.answer(lambda _: ["us", "US", "us"])
    world.serve(run_id="0123", model_name="zips", model_uri="models:/zips/1")
    (tmp_path / "rows.csv").write_text(ROWS + "00501,US,us\n")
    _, found, err = validate("models:/zips@champion", "--data", str(tmp_path / "rows.csv"), "--target", "label")
    assert "note: 'US' and 'us' are scored as different classes" in err
    assert "are scored as different classes" in Path(found["report"]).read_text()


@pytest.fixture
def data(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "rows.csv").write_text(ROWS)
    return "--data", str(tmp_path / "rows.csv"), "--target", "label"


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"run_id": "0123"}, "nothing was logged: the run 0123 is not on this server, or is deleted"),
        ({}, "nothing was logged: no tag of mlflow-staging-zips says which run its model is of"),
    ],
)
@pytest.mark.parametrize(("threshold", "expected"), [("1.0", 0), ("2.0", 1)])
def test_the_users_rows_are_scored_if_the_run_does_not_exist(
    world: World,
    validate: Validate,
    data: tuple[str, ...],
    tags: dict[str, str],
    reason: str,
    threshold: str,
    expected: int,
) -> None:
    world.serve(**tags)
    status, found, err = validate("--endpoint", ENDPOINT, *data, "--threshold", threshold)
    assert (status, found["accuracy"], found["logged"]) == (expected, 1.0, False)
    assert reason in err.splitlines()
    assert Path(found["report"]).is_file()


@pytest.mark.parametrize(("option", "task"), [((), "regression"), (("--task", "classification"), "classification")])
def test_the_runs_task_applies_to_the_users_rows(
    option: tuple[str, ...], task: str, world: World, validate: Validate, client: Any, run_id: str, tmp_path: Path
) -> None:
    client.set_tag(run_id, "evaluation.task", "regression")
    world.answer(lambda frame: [2] * len(frame), columns(size="long"))
    world.serve(run_id=run_id)
    (tmp_path / "rows.csv").write_text("size,label\n1,2\n2,3\n")
    status, found, _ = validate(
        "--endpoint", ENDPOINT, "--data", str(tmp_path / "rows.csv"), "--target", "label", *option
    )
    assert (status, found["task"]) == (0, task)


def test_the_held_out_rows_of_a_missing_run_are_unavailable(world: World, validate: Validate) -> None:
    world.serve(run_id="0123")
    status, found, err = validate("--endpoint", ENDPOINT)
    assert (status, found) == (2, None)
    assert "the run 0123, which the endpoint's tags name, is not on this server: pass rows of your own" in err


def test_an_endpoint_of_another_model_is_refused(world: World, validate: Validate, data: tuple[str, ...]) -> None:
    world.serve(model_name="a_b", model_uri="models:/a_b/1")
    status, found, err = validate("models:/a-b/1", "--endpoint", ENDPOINT, *data)
    assert (status, found) == (3, None)
    assert "serves the registered model a_b, not a-b" in err


@pytest.mark.parametrize(
    ("threshold", "complaint"),
    [
        ("accuracy=0.6", "accuracy is 0.5000, below the threshold of 0.6"),
        ("latency_p50_ms=0", "above the threshold of 0"),
        ("roc_auc=0.5", "roc_auc could not be computed"),
    ],
)
def test_a_missed_threshold_is_exit_status_1_after_the_result(
    world: World, validate: Validate, data: tuple[str, ...], threshold: str, complaint: str
) -> None:
    world.answer(lambda frame: ["us"] * len(frame))
    world.serve()
    status, found, err = validate("--endpoint", ENDPOINT, *data, "--threshold", threshold)
    assert (status, found["passed"], found["accuracy"]) == (1, False, 0.5)
    assert complaint in err.splitlines()[-1]
    assert 'class="badge bad"' in Path(found["report"]).read_text()


@pytest.mark.parametrize(
    ("predict", "status", "complaint"),
    [
        (lambda frame: [[1, 2]] * len(frame), 1, "are not class probabilities"),
        (lambda _: ["us"], 1, "answers with 1 predictions for 2 rows"),
        (lambda frame: [1] * len(frame), 2, "cannot be compared with the truth"),
        (lambda frame: [[0.5, 0.5]] * len(frame), 2, "name them with --classes"),
    ],
)
def test_responses_that_cannot_be_scored_cause_a_one_line_error_and_no_report(
    world: World, validate: Validate, data: tuple[str, ...], predict: Predict, status: int, complaint: str
) -> None:
    world.answer(predict)
    world.serve()
    ended, found, err = validate("--endpoint", ENDPOINT, *data)
    assert (ended, found) == (status, None)
    assert complaint in err.splitlines()[-1]
    assert not Path("reports").exists()


def test_probabilities_are_scored_by_the_classes_that_are_named(
    world: World, validate: Validate, data: tuple[str, ...]
) -> None:
    world.answer(lambda frame: [[0.1, 0.9] if zip_ == "02134" else [0.8, 0.2] for zip_ in frame["zip"]])
    world.serve()
    status, found, _ = validate("--endpoint", ENDPOINT, *data, "--classes", "us,namibia", "--threshold", "roc_auc=1")
    assert (status, found["accuracy"], found["roc_auc"]) == (0, 1.0, 1.0)
    assert Path(found["report"]).with_name("roc.png").is_file()


def test_a_model_without_a_signature_is_noted(world: World, validate: Validate, data: tuple[str, ...]) -> None:
    world.answer(lambda frame: [KNOWN.get(tuple(row), "?") for row in frame.to_numpy().tolist()], Signature())
    world.serve()
    status, found, err = validate("--endpoint", ENDPOINT, *data)
    assert (status, found["accuracy"]) == (0, 1.0)
    assert "note: The model has no signature, so the types of the columns were guessed from the data." in err


@pytest.mark.parametrize(("others", "asked"), [((), None), (("Challenger",), "AllTraffic")])
def test_only_the_variant_that_serves_the_model_answers(
    world: World, validate: Validate, data: tuple[str, ...], others: tuple[str, ...], asked: str | None
) -> None:
    """SageMaker would choose any variant for each request: the score would be of a mixture of models."""
    world.serve(*others)
    status, _, err = validate("--endpoint", ENDPOINT, *data)
    assert (status, world.runtime.variants) == (0, {asked})
    assert ("Only the variant AllTraffic was asked, which serves this model, and not: Challenger." in err) == bool(
        asked
    )


def test_columns_that_are_left_out_are_noted(world: World, validate: Validate, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,zip,country,label\n7,02134,NA,namibia\n8,00501,US,us\n")
    world.serve()
    status, found, err = validate("--endpoint", ENDPOINT, "--data", str(tmp_path / "rows.csv"), "--target", "label")
    assert (status, found["accuracy"]) == (0, 1.0)
    assert "note: Columns that the model does not take were left out: id." in err


def test_a_report_that_cannot_be_written_causes_a_one_line_error(
    world: World, validate: Validate, data: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "taken" / "report.html").mkdir(parents=True)
    world.serve()
    status, found, err = validate("--endpoint", ENDPOINT, *data, "--output", str(tmp_path / "taken"))
    assert (status, found) == (2, None)
    assert "the report cannot be written to" in err.splitlines()[-1]


def test_predictions_without_a_utf8_form_cause_a_one_line_error(
    world: World, validate: Validate, data: tuple[str, ...]
) -> None:
    world.answer(lambda frame: ["\ud803"] * len(frame))
    world.serve()
    status, found, err = validate("--endpoint", ENDPOINT, *data)
    assert (status, found) == (1, None)
    assert "half of a surrogate pair" in err.splitlines()[-1]


def test_several_clients_give_the_same_result(world: World, validate: Validate, data: tuple[str, ...]) -> None:
    world.serve()
    many = ("--clients", "3", "--requests", "20", "--batch-size", "1")
    status, found, _ = validate("--endpoint", ENDPOINT, *data, *many)
    assert (status, found["accuracy"]) == (0, 1.0)
    assert len(world.runtime.bodies) == 20
    assert "20 requests by 3 concurrent clients" in Path(found["report"]).read_text()
