"""The comparison with the model on this machine: the same requests, the same parsing, and a clear difference."""

import io
import tarfile
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.models import infer_signature

from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.validation import local_model, requests
from mlflow_platform.validation.predictions import Predictions
from mlflow_platform.validation.served_artifact import ServedArtifact
from mlflow_platform.validation.signature import from_mlmodel
from tests.platform.conftest import BUCKET
from tests.platform.validation.support import rows_of
from tests.platform.validation.test_served_artifact import archive

URI = f"s3://{BUCKET}/model.tar.gz"


class Zips(mlflow.pyfunc.PythonModel):
    """Returns its input: the text of the first column and the number of the second."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[str]:  # noqa: ARG002
        if (model_input["n"] < 0).any():
            raise ValueError("negative")
        return [f"{row.zip}/{int(row.n)}" for row in model_input.itertuples()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "zips"
    frame = pd.DataFrame({"zip": ["02134"], "n": [1]})
    mlflow.pyfunc.save_model(
        folder, python_model=Zips(), signature=infer_signature(frame, ["x"]), pip_requirements=["mlflow"]
    )
    return folder


@pytest.fixture
def s3(aws: Any) -> Any:
    return aws("s3")


def served(s3: Any, body: bytes) -> ServedArtifact:
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=body)
    return ServedArtifact(URI, "")


def sent(folder: Path, *numbers: int) -> list[requests.Request]:
    signature = from_mlmodel((folder / "MLmodel").read_text(), "here")
    features = {"zip": ["02134"] * len(numbers), "n": list(numbers)}
    return requests.make(rows_of([0] * len(numbers), signature=signature, features=features), batch_size=2)


def test_the_served_archive_predicts_the_same_here(s3: Any, folder: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(folder, arcname=".")
    unpacked = local_model.download(s3, served(s3, buffer.getvalue()), tmp_path)
    here = local_model.score(unpacked, sent(folder, 1, 2**60 + 1, 3))
    expected = ["02134/1", f"02134/{2**60 + 1}", "02134/3"]
    assert list(here.values) == expected
    assert str(local_model.compare(Predictions(expected), here)) == "all 3 rows agree"


def test_a_model_that_fails_on_this_machine_causes_a_one_line_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="the model fails on this machine: ") as failed:
        local_model.score(folder, sent(folder, -1))
    assert "\n" not in failed.value.message
    with pytest.raises(PlatformError, match="the model cannot be loaded on this machine: ") as failed:
        local_model.score(tmp_path, sent(folder, 1))
    assert "\n" not in failed.value.message


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside"])
def test_an_archive_that_would_write_elsewhere_is_refused(s3: Any, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="would unpack outside"):
        local_model.download(s3, served(s3, archive({"MLmodel": "run_id: x", name: "x"})), tmp_path)


@pytest.mark.parametrize(
    ("there", "here", "equal"),
    [
        (["a", 1, True], ["a", 1, True], 3),
        ([1, 2], [1.0, 2.0000001], 2),
        ([1.0, 1e-12], [1.0000001, 0.0], 2),
        ([1.0, 2.0], [1.001, 2.0], 1),
        ([None, "a"], [None, "b"], 1),
        ([None, 1.0], [0.0, None], 0),
        ([[0.1, 0.9]], [[0.1, 0.9000001]], 1),
        ([[0.1, 0.9]], [[0.2, 0.8]], 0),
        (["1", "a"], [1.0, "a"], 1),
    ],
)
def test_predictions_agree_within_the_rounding_of_machines(there: list[Any], here: list[Any], equal: int) -> None:
    found = local_model.compare(Predictions(there), Predictions(here))
    assert found.equal == equal
    assert found.share == equal / len(there)


def test_the_first_difference_is_shown() -> None:
    found = local_model.compare(Predictions(["a", "b"]), Predictions(["a", "c"]))
    assert str(found) == "1 of 2 rows agree; row 2 is 'b' from the endpoint and 'c' from the model on this machine"
