"""A trial's values reach the tracking server as MLflow's own client sends them."""

import json
import math
from typing import Any

import numpy as np
import pytest
from mlflow.entities import Metric, Param
from mlflow.protos.service_pb2 import LogBatch
from mlflow.utils import rest_utils
from mlflow.utils.proto_json_utils import message_to_json

from mlflow_platform.sweeps.batch import log_batch

ARN = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/mlflow-staging"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The paths and bodies of the requests that would be sent."""
    calls: list[tuple[str, Any]] = []

    def note(creds: Any, path: str, method: str, *, json: Any) -> None:
        assert (creds.auth, method) == ("arn", "POST")
        calls.append((path, json))

    monkeypatch.setattr(rest_utils, "http_request_safe", note)
    return calls


def by_mlflow(metrics: list[Metric], params: list[Param]) -> Any:
    message = LogBatch(
        run_id="r", metrics=[one.to_proto() for one in metrics], params=[one.to_proto() for one in params]
    )
    return json.loads(message_to_json(message))


@pytest.mark.parametrize("value", [0.1, -0.0, 3, 1e300, math.nan, math.inf, -math.inf, np.float32(0.5)], ids=str)
def test_the_body_is_that_of_mlflows_client(sent: list[tuple[str, Any]], value: float) -> None:
    metrics = [Metric("häufig", value, 1_764_547_200_000, 7), Metric("b", 1.5, 2**53 + 1, -1)]
    params = [Param("tiefe", "3"), Param("name", '\N{SNOWMAN} " \\ \n'), Param("leer", "")]
    log_batch(ARN, "r", metrics=metrics, params=params)
    assert sent == [("/api/2.0/mlflow/runs/log-batch", by_mlflow(metrics, params))]


def test_more_than_100_parameters_take_several_requests_and_each_value_is_sent_once(
    sent: list[tuple[str, Any]],
) -> None:
    params = [Param(f"p{number}", "1") for number in range(201)]
    log_batch(ARN, "r", metrics=[Metric("loss", 1.0, 0, 0)], params=params)
    assert [len(body["params"]) for _, body in sent] == [100, 100, 1]
    assert [one["key"] for _, body in sent for one in body["params"]] == [one.key for one in params]
    assert [len(body["metrics"]) for _, body in sent] == [1, 0, 0]


def test_values_without_parameters_are_sent(sent: list[tuple[str, Any]]) -> None:
    log_batch(ARN, "r", metrics=[Metric("loss", 1.0, 0, 0)], params=[])
    assert [len(body["metrics"]) for _, body in sent] == [1]
