"""Send a trial's parameters and metrics to a SageMaker tracking server, in as few requests as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlflow_common.numbers import number_text

if TYPE_CHECKING:
    from mlflow.entities import Metric, Param

_LOG_BATCH = "/api/2.0/mlflow/runs/log-batch"
# "Request limits" of the same page.
_MOST_PARAMS = 100


def log_batch(server_arn: str, run_id: str, *, metrics: Sequence[Metric], params: Sequence[Param]) -> None:
    """As `MlflowClient.log_batch`, with a third of the processor time.

    MLflow's client makes a Protobuf message of each value, and converts them to JSON in three passes. This sends the
    documented JSON by the same HTTP function, which signs and retries.
    Source: https://mlflow.org/docs/latest/rest-api.html#log-batch

    Args:
        metrics, params: together at most 1000. More than 100 parameters take a request for each 100.

    Raises:
        MlflowException: as `MlflowClient.log_batch`.
    """
    from mlflow.utils.rest_utils import http_request_safe
    from sagemaker_mlflow.host_creds import get_host_creds

    creds = get_host_creds(server_arn)
    points = [
        {"key": one.key, "value": number_text(float(one.value)), "timestamp": one.timestamp, "step": one.step}
        for one in metrics
    ]
    pairs = [{"key": one.key, "value": one.value} for one in params]
    for first in range(0, len(pairs) or 1, _MOST_PARAMS):
        body = {"run_id": run_id, "params": pairs[first : first + _MOST_PARAMS], "metrics": [] if first else points}
        http_request_safe(creds, _LOG_BATCH, "POST", json=body)
