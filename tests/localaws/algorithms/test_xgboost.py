"""XGBoost trains on what AWS's algorithm takes, writes what it writes, and answers as it does."""

import json
import pickle
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import xgboost

from localaws.algorithms import built_in, xgboost_serve, xgboost_train

ACCOUNT = "123456789012"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
ROWS = "".join(f"{2 * number},{number},{number % 3}\n" for number in range(60))
WEIGHTED = "".join(f"{2 * number},1,{number},{number % 3}\n" for number in range(60))


def job(base: Path, content: str, kind: str | None, **parameters: str) -> Path:
    """A training job's folder, with one file in each channel."""
    for folder in ("input/config", "model", "output"):
        (base / folder).mkdir(parents=True)
    channels = {name: {"ContentType": kind} if kind else {} for name in ("train", "validation")}
    for name in channels:
        (base / "input/data" / name).mkdir(parents=True)
        (base / "input/data" / name / "rows").write_text(content)
        (base / "input/data" / name / "_SUCCESS").touch()
    for name, given in (
        ("hyperparameters", {"num_round": "5", "nthread": "1", **parameters}),
        ("inputdataconfig", channels),
    ):
        (base / "input/config" / f"{name}.json").write_text(json.dumps(given))
    return base


@pytest.mark.parametrize(
    ("content", "kind", "parameters"),
    [
        (ROWS, "text/csv; label_size=1", {"objective": "reg:linear", "silent": "0"}),
        (ROWS.replace(",", ";"), "csv", {"csv_weights": "0", "early_stopping_rounds": "3", "eval_metric": "mae,rmse"}),
        (WEIGHTED, "csv", {"csv_weights": "1"}),
        ("".join(f"{2 * number} 0:{number} 1:{number % 3}\n" for number in range(60)), None, {}),
    ],
)
def test_trains_on_csv_and_libsvm(content: str, kind: str | None, parameters: dict[str, str], tmp_path: Path) -> None:
    base = job(tmp_path, content, kind, **parameters)
    xgboost_train.train(base)
    booster = xgboost_serve.load(base / "model")
    assert booster.num_features() == 2
    low, high = booster.predict(xgboost.DMatrix(np.array([[1.0, 1.0], [50.0, 2.0]])))
    assert low < high


def test_indices_of_libsvm_are_those_of_the_columns(tmp_path: Path) -> None:
    base = job(tmp_path, "".join(f"{2 * number} 1:{number}\n" for number in range(60)), None)
    xgboost_train.train(base)
    assert xgboost_serve.load(base / "model").num_features() == 2


def test_the_log_has_the_metrics_that_tuning_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    xgboost_train.train(job(tmp_path, ROWS, "csv", _tuning_objective_metric="validation:mae"))
    first, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("[0]#011train-mae:")
    assert "#011validation-mae:" in first
    names = {one["Name"] for one in built_in.metrics({"TrainingImage": IMAGE}, ACCOUNT)}
    assert {"validation:rmse", "train:mae"} <= names
    assert built_in.metrics({"TrainingImage": "image"}, ACCOUNT) == []


@pytest.mark.parametrize(
    ("content", "kind", "parameters", "reason"),
    [
        ("rings,length\n1,2\n", "csv", {}, "Failed to load csv data of rows: could not convert string to float"),
        (ROWS, None, {}, "rows is not in the format LIBSVM"),
        (ROWS, "text/plain", {}, "text/plain is not an accepted ContentType: csv, text/csv, libsvm"),
        (ROWS, "csv", {"objective": "reg:magic"}, "reg:magic"),
        (ROWS, "csv", {"_kfold": "3"}, "localaws does not run k-fold cross validation"),
        (ROWS, "csv", {"num_round": "many"}, "invalid literal for int"),
    ],
)
def test_a_problem_becomes_the_failure_reason(
    content: str,
    kind: str | None,
    parameters: dict[str, str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(job(tmp_path, content, kind, **parameters)))
    assert xgboost_train.main() == 1
    assert reason in (tmp_path / "output/failure").read_text()
    assert not list((tmp_path / "model").iterdir())


@pytest.mark.parametrize(
    ("image", "expected"),
    [(IMAGE, "library"), (IMAGE.replace("1.7-1", "1.0-1-cpu-py3"), "pickle"), (IMAGE[:45] + "xgboost:1", "pickle")],
)
def test_old_versions_write_a_pickle(
    image: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, env = built_in.training(image, tmp_path, "/opt/ml/code")
    assert command == ["python3", "/opt/ml/code/xgboost_train.py"]
    assert env == {"XGBOOST_MODEL_FORMAT": expected}
    monkeypatch.setenv("XGBOOST_MODEL_FORMAT", expected)
    base = job(tmp_path / "ml", ROWS, "csv")
    xgboost_train.train(base)
    content = (base / "model/xgboost-model").read_bytes()
    if expected == "pickle":
        assert isinstance(pickle.loads(content), xgboost.Booster)  # noqa: S301 written above
    assert xgboost_serve.load(base / "model").num_boosted_rounds() == 5


def test_only_the_image_of_another_account_is_the_algorithm() -> None:
    assert built_in.is_xgboost(IMAGE, ACCOUNT)
    assert not built_in.is_xgboost(IMAGE, "683313688378")
    assert not built_in.is_xgboost(IMAGE.replace("sagemaker-xgboost", "churn"), ACCOUNT)
    assert built_in.serving(IMAGE, ACCOUNT, {"SAGEMAKER_PROGRAM": "inference.py"}, Path("/none")) is None


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"1,2\n3,\n", "text/csv", [[1, 2], [3, np.nan]]),
        (b"0:1 1:2\n1:4", "text/libsvm", [[1, 2], [np.nan, 4]]),
    ],
)
def test_reads_the_rows_of_a_request(body: bytes, kind: str, expected: list[Any]) -> None:
    np.testing.assert_array_equal(xgboost_serve.matrix(body, kind), np.array(expected))


def test_answers_as_text_and_as_json() -> None:
    assert xgboost_serve.text_of([1.5, 2.0], "text/csv") == "1.5\n2.0\n"
    assert xgboost_serve.text_of([[0.1, 0.9]], "text/csv") == "0.1,0.9\n"
    assert json.loads(xgboost_serve.text_of([1.5], "application/json")) == {"predictions": [{"score": 1.5}]}
    with pytest.raises(ValueError, match="Content-type application/xml is not supported"):
        xgboost_serve.matrix(b"<a/>", "application/xml")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a model that about doubles its first column."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVING_TOKEN", "secret")
        base = job(tmp_path_factory.mktemp("served"), ROWS, "csv")
        xgboost_train.train(base)
        handler = type("Loaded", (xgboost_serve.Handler,), {"booster": xgboost_serve.load(base / "model")})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("headers", "body", "status", "kind", "text"),
    [
        ({"Content-Type": "text/csv"}, "50,2\n", 200, "text/csv", ""),
        ({"Content-Type": "TEXT/CSV; charset=utf-8", "Accept": "*/*"}, "50,2\n", 200, "text/csv", ""),
        ({}, "0:50 1:2\n", 200, "text/csv", ""),
        ({"Content-Type": "text/csv", "Accept": "application/json"}, "50,2\n", 200, "application/json", "score"),
        ({"Content-Type": "text/csv"}, "", 204, "text/plain", ""),
        ({"Content-Type": "text/csv"}, "a,b\n", 415, "text/plain", "could not convert string to float"),
        ({"Content-Type": "application/xml"}, "<a/>", 415, "text/plain", "application/xml is not supported"),
        ({"Content-Type": "text/csv", "Accept": "image/png"}, "50,2\n", 406, "text/plain", "image/png is not"),
        ({"Content-Type": "text/csv"}, "1,2,3\n", 400, "text/plain", "Unable to evaluate payload provided"),
        ({"Content-Type": "text/csv", xgboost_serve.TOKEN_HEADER: "wrong"}, "50,2\n", 403, "text/plain", ""),
    ],
)
def test_a_request_is_answered_with_its_status(
    served: str, headers: dict[str, str], body: str, status: int, kind: str, text: str
) -> None:
    given = {xgboost_serve.TOKEN_HEADER: "secret", **headers}
    answer = requests.post(f"{served}/invocations", body, headers=given, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, kind)
    assert text in answer.text
    if (status, kind) == (200, "text/csv"):
        assert float(answer.text) == pytest.approx(100, abs=40)


def test_only_ping_and_invocations_exist(served: str) -> None:
    headers = {xgboost_serve.TOKEN_HEADER: "secret"}
    assert requests.get(f"{served}/ping", headers=headers, timeout=10).status_code == 200
    assert requests.get(f"{served}/models", headers=headers, timeout=10).status_code == 404
    assert requests.post(f"{served}/models", "1", headers=headers, timeout=10).status_code == 404
    assert requests.get(f"{served}/ping", timeout=10).status_code == 403
