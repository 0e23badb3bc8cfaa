"""The validated endpoint: its model according to SageMaker and to the archive in S3."""

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform.endpoints import model_archive
from mlflow_platform.environment import Environment
from mlflow_platform.validation import endpoint, served_artifact
from mlflow_platform.validation.served_artifact import ServedArtifact
from mlflow_platform.validation.signature import ColumnSpec, Signature, from_mlmodel
from tests.platform.conftest import BUCKET
from tests.platform.endpoints.fleet import Fleet, Step

INPUTS = [{"type": "string", "name": "zip", "required": True}, {"type": "long", "name": "n", "required": False}]
TENSOR = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}
MLMODEL = json.dumps({"signature": {"inputs": json.dumps(INPUTS), "outputs": json.dumps([{"type": "string"}])}})


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


@dataclass
class Described:
    """A SageMaker client that describes one model."""

    container: dict[str, Any]

    def describe_endpoint_config(self, EndpointConfigName: str) -> Any:  # noqa: N803
        assert EndpointConfigName == "config"
        return {"ProductionVariants": [{"ModelName": "m"}, {"ModelName": "other"}]}

    def describe_model(self, ModelName: str) -> Any:  # noqa: N803
        assert ModelName == "m"
        return {"PrimaryContainer": self.container}


def find(s3: Any, container: dict[str, Any]) -> ServedArtifact | None:
    sagemaker: Any = Described(container)
    return served_artifact.find(sagemaker, s3, "config")


@pytest.fixture
def s3(aws: Any) -> Any:
    return aws("s3")


@pytest.mark.parametrize("name", ["MLmodel", "./MLmodel"])
def test_the_signature_is_read_from_the_archive_that_is_served(s3: Any, name: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="a/model.tar.gz", Body=archive({"A": "x", name: MLMODEL, "z": "z"}))
    found = find(s3, {"ModelDataUrl": f"s3://{BUCKET}/a/model.tar.gz"})
    assert found is not None
    assert found.signature == Signature(
        inputs=(ColumnSpec("zip", "string"), ColumnSpec("n", "long", required=False)),
        outputs=(ColumnSpec(None, "string"),),
    )


def test_the_signature_is_read_from_a_folder_that_is_served(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="folder/MLmodel", Body=MLMODEL.encode())
    found = find(s3, {"ModelDataSource": {"S3DataSource": {"S3Uri": f"s3://{BUCKET}/folder/"}}})
    assert found is not None
    assert len(found.signature.inputs) == 2


@pytest.mark.parametrize(
    "container",
    [
        {},
        {"ModelDataUrl": "https://example.com/model.tar.gz"},
        {"ModelDataUrl": f"s3://{BUCKET}/missing.tar.gz"},
        {"ModelDataUrl": f"s3://{BUCKET}/empty.tar.gz"},
        {"ModelDataUrl": f"s3://{BUCKET}/no-archive.tar.gz"},
        {"ModelDataUrl": f"s3://{BUCKET}/torn.tar.gz"},
        {"ModelDataUrl": f"s3://{BUCKET}/other.tar.gz"},
    ],
)
def test_a_model_of_another_format_has_no_signature(s3: Any, container: dict[str, Any]) -> None:
    whole = archive({"model.bin": "x" * 10_000})
    for key, body in {"empty": b"", "no-archive": b"text", "torn": whole[:-20], "other": whole}.items():
        s3.put_object(Bucket=BUCKET, Key=f"{key}.tar.gz", Body=body)
    assert find(s3, container) is None


def test_a_decompression_bomb_before_the_signature_is_refused(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_archive, "UNPACKED_OF_ANY", 1 << 20)
    zeros = "\0" * (3 << 20)
    s3.put_object(Bucket=BUCKET, Key="bomb.tar.gz", Body=archive({"A": zeros, "MLmodel": MLMODEL}))
    with pytest.raises(InputError, match=r"bomb\.tar\.gz has no MLmodel within its first"):
        find(s3, {"ModelDataUrl": f"s3://{BUCKET}/bomb.tar.gz"})
    s3.put_object(Bucket=BUCKET, Key="after.tar.gz", Body=archive({"MLmodel": MLMODEL, "Z": zeros}))
    assert find(s3, {"ModelDataUrl": f"s3://{BUCKET}/after.tar.gz"}) is not None


def test_a_denied_archive_is_an_error() -> None:
    class Denied(SimpleNamespace):
        def get_object(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    with pytest.raises(ClientError):
        find(Denied(exceptions=SimpleNamespace(ClientError=ClientError)), {"ModelDataUrl": "s3://theirs/m.tar.gz"})


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("run_id: x", Signature()),
        ("signature: null", Signature()),
        (json.dumps({"metadata": {"classes": ["a", 1]}}), Signature(class_names=("a", "1"))),
        (
            json.dumps({"signature": {"inputs": json.dumps([TENSOR])}}),
            Signature(inputs=(ColumnSpec(None, "float32", is_tensor=True, shape=(-1, 2)),)),
        ),
        (
            json.dumps({"signature": {"inputs": '[{"type": "double", "name": "x", "optional": true}]'}}),
            Signature(inputs=(ColumnSpec("x", "double", required=False),)),
        ),
        (
            json.dumps({"signature": {"inputs": '[{"type": "array", "name": "x", "items": {"type": "long"}}]'}}),
            Signature(inputs=(ColumnSpec("x", "array"),)),
        ),
    ],
)
def test_signatures_of_every_kind_are_read(text: str, signature: Signature) -> None:
    assert from_mlmodel(text, "here") == signature


@pytest.mark.parametrize(
    "text",
    [
        "- a",
        "a: [",
        "signature: 3",
        "signature: {inputs: '['}",
        "signature: {inputs: '{}'}",
        "signature: {inputs: '[3]'}",
        "signature: {inputs: '[{}]'}",
        """signature: {inputs: '[{"type": "tensor"}]'}""",
        "metadata: 3",
        "a: &a [x, x]\nb: &b [*a, *a]\nmetadata: {classes: [*b, *b]}",
        "a: &a {x: y}\nb: {<<: [*a, *a]}",
        f"a: 1{':1' * 99_999}",
        f"a: 1{':1' * 200}.5",
        "a: !!int ''",
    ],
)
def test_a_damaged_mlmodel_file_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match="the signature in here cannot be read") as wrong:
        from_mlmodel(text, "here")
    assert "\n" not in wrong.value.message


def test_mlflows_own_signatures_are_read(tmp_path: Path) -> None:
    import pandas as pd
    from mlflow.models import Model, infer_signature

    frame = pd.DataFrame(
        {"zip": ["02134"], "n": [1], "x": [1.5], "flag": [True], "at": [pd.Timestamp("2026-01-31")], "raw": [b"x"]}
    )
    Model(signature=infer_signature(frame, pd.Series(["a"]))).save(tmp_path / "MLmodel")
    found = from_mlmodel((tmp_path / "MLmodel").read_text(), "here")
    assert [(column.name, column.type) for column in found.inputs] == [
        ("zip", "string"),
        ("n", "long"),
        ("x", "double"),
        ("flag", "boolean"),
        ("at", "datetime"),
        ("raw", "binary"),
    ]
    assert found.output_type == "string"


def serving(fleet: Fleet, tags: dict[str, str], status: str = "InService") -> None:
    fleet.serve("e", Step(status, "config"), tags=tags)


@pytest.fixture
def nothing_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_artifact, "find", lambda *_: None)


def look(fleet: Fleet, s3: Any, environment: Environment, wanted: str | None) -> endpoint.Endpoint:
    return endpoint.find(fleet.sagemaker, s3, environment, "e", wanted=wanted)


@pytest.mark.usefixtures("nothing_served")
@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ({"model-name": "a_b"}, "a_b"),
        ({"model-name": "a_b"}, None),
        ({"model-uri": "models:/a_b/3"}, "a_b"),
        ({}, "a_b"),
    ],
)
def test_an_endpoint_that_serves_the_wanted_model_is_found(
    fleet: Fleet, s3: Any, environment: Environment, tags: dict[str, str], wanted: str | None
) -> None:
    serving(fleet, {"run-id": "0123", **tags})
    assert look(fleet, s3, environment, wanted).run_id == "0123"


@pytest.mark.usefixtures("nothing_served")
@pytest.mark.parametrize("tags", [{"model-name": "a_b"}, {"model-uri": "models:/a_b/3"}])
def test_an_endpoint_that_serves_another_model_is_refused(
    fleet: Fleet, s3: Any, environment: Environment, tags: dict[str, str]
) -> None:
    serving(fleet, tags)
    with pytest.raises(PreconditionError, match="the endpoint e serves the registered model a_b, not a-b"):
        look(fleet, s3, environment, "a-b")


@pytest.mark.parametrize("status", ["Creating", "Deleting", "Failed", "OutOfService"])
def test_rejects_an_endpoint_that_is_not_in_service(
    fleet: Fleet, s3: Any, environment: Environment, status: str
) -> None:
    serving(fleet, {}, status)
    with pytest.raises(PreconditionError, match=f"the endpoint e is {status} and serves nothing"):
        look(fleet, s3, environment, None)


@pytest.mark.parametrize("status", ["Updating", "RollingBack"])
def test_rejects_an_endpoint_that_moves_to_another_configuration(
    fleet: Fleet, s3: Any, environment: Environment, status: str
) -> None:
    """A canary answers some requests with the new model, and the tags still name the old one."""
    fleet.serve("e", Step(status, "config", pending="new"), tags={})
    with pytest.raises(PreconditionError, match=f"the endpoint e is {status} to another configuration"):
        look(fleet, s3, environment, None)


def test_rejects_an_asynchronous_endpoint(
    fleet: Fleet, s3: Any, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving(fleet, {})
    config = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/out"}}}
    monkeypatch.setattr("mlflow_platform.endpoints.state.find_config", lambda *_: config)
    with pytest.raises(PreconditionError, match=r"the endpoint e is asynchronous, and cannot be validated\."):
        look(fleet, s3, environment, None)


def test_rejects_a_missing_endpoint_and_names_the_command_that_creates_one(
    fleet: Fleet, s3: Any, environment: Environment
) -> None:
    with pytest.raises(PreconditionError, match=r"there is no endpoint e\. Deploy one with `.venv/bin/python"):
        look(fleet, s3, environment, None)
