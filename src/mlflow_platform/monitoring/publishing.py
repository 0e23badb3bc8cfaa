"""Publishes an assessment: metrics to the model's run in MLflow, and to CloudWatch for the alarm."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import is_denied
from mlflow_platform.monitoring.assessment import Assessment, WindowResult
from mlflow_platform.monitoring.drift import PREDICTION
from mlflow_platform.monitoring.store import Store
from mlflow_platform.validation import evaluation

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAMESPACE = "MLflowPlatform/Monitoring"
FOLDER = "monitoring"
# A log-batch request takes at most this many metrics (MLflow REST API, "Request limits").
_BATCH = 1000
_LONGEST_NAME = 250
# PutMetricData takes at most this many in one request (CloudWatch API, PutMetricData).
_MOST_DATA = 1000


@dataclass(frozen=True)
class Place:
    """What metrics are about: the environment (`PROJECT-ENV`), the endpoint and the variant."""

    environment: str
    endpoint: str
    variant: str


def window_metrics(result: WindowResult) -> dict[str, float]:
    """The metrics of a window, by the names that MLflow logs below `monitoring/`."""
    found: dict[str, float] = {"rows": float(result.rows), "truth_share": result.quality.share}
    if result.drift is not None and result.drift.judged:
        found["drifted_columns"] = float(len(result.drift.drifted))
        for finding in result.drift.findings:
            if finding.distance is not None:
                found[f"psi/{finding.name}"] = finding.distance.psi
            if finding.kind is not None:
                found[f"missing/{finding.name}"] = finding.missing_now
    return found | {f"quality/{name}": value for name, value in result.quality.metrics.items()}


def to_mlflow(
    client: MlflowClient, run_id: str, place: Place, assessment: Assessment, store: Store, report: Path
) -> int:
    """Log what is new or changed since the last time, and the report, to the model's run. Returns how many metrics.

    A metric's step is its window's start, in hours since 1970, so a chart by step shows the windows in order. Late
    truth changes the metrics of an old window: the later value has a later timestamp. The store has what was logged.
    """
    from mlflow.entities import Metric

    key = f"logged/variant={place.variant}/{run_id}.json"
    known: dict[str, dict[str, float]] = store.read_json(key, _logged, {})
    now = int(time.time() * 1000)
    prefix = f"{FOLDER}/{place.endpoint}/{place.variant}"
    fresh = []
    for result in assessment.results:
        if not result.rows:
            continue
        found = window_metrics(result)
        before, names = known.get(result.window.name, {}), metric_names(prefix, list(found))
        fresh += [
            Metric(names[name], value, now, result.window.step)
            for name, value in found.items()
            if before.get(name) != value
        ]
        known[result.window.name] = found
    for start in range(0, len(fresh), _BATCH):
        client.log_batch(run_id, metrics=fresh[start : start + _BATCH])
    client.log_artifact(run_id, str(report), prefix)
    if fresh:
        store.write(key, json.dumps(known).encode(), "application/json")
    return len(fresh)


def _logged(found: Any) -> dict[str, dict[str, float]]:
    return {window: dict(values) for window, values in found.items()}


def to_cloudwatch(cloudwatch: Any, place: Place, assessment: Assessment, malformed: int) -> bool:
    """Put the metrics that alarms watch. Returns False if these credentials may not."""
    latest = assessment.results[-1]
    values: dict[str, float] = {
        "Rows": latest.rows,
        "MalformedLines": malformed,
        "DriftedInputs": sum(name != PREDICTION for name in assessment.drifted),
        "DriftedPredictions": float(PREDICTION in assessment.drifted),
        "QualityFailures": len(assessment.failures),
        "DriftNotJudged": float(bool(assessment.unjudged)),
        "Alarm": float(bool(assessment.alarms)),
    }
    if assessment.scored:
        values["TruthShare"] = assessment.scored.quality.share
        for name, value in assessment.scored.quality.metrics.items():
            values[f"Quality.{name}"] = value
    own = {"Environment": place.environment, "Endpoint": place.endpoint, "Variant": place.variant}
    data = [_datum(name, value, own) for name, value in values.items()]
    return _put(cloudwatch, data)


def ended(cloudwatch: Any, environment: str, *, alarms: int, completed: bool) -> bool:
    """Put the environment's own metrics: how many variants raise the alarm, and whether all of them were monitored."""
    values = {"Alarms": float(alarms), **({"CompletedRuns": 1.0} if completed else {})}
    return _put(cloudwatch, [_datum(name, value, {"Environment": environment}) for name, value in values.items()])


def usable(client: MlflowClient | None, run_id: str | None) -> bool:
    """Whether the run exists, so that metrics can be logged to it."""
    return client is not None and run_id is not None and evaluation.find_run(client, run_id) is not None


def metric_names(prefix: str, names: Sequence[str]) -> dict[str, str]:
    """Names that MLflow accepts, by those of `window_metrics`. They end in a number where two would be the same.

    MLflow accepts letters, digits and `_-. /` (since 2.16 `:`, too), in the form of a path without `.`, `..` and empty
    parts (mlflow/utils/validation.py).
    """
    found: dict[str, str] = {}
    for name in names:
        plain = "".join(character if character.isalnum() or character in "_-. /" else "_" for character in name)
        path = "/".join([prefix, *("_" if part in {"", ".", ".."} else part for part in plain.split("/"))])
        taken, unique, number = set(found.values()), path[:_LONGEST_NAME].rstrip("/."), 1
        while unique in taken:
            number += 1
            unique = f"{path[: _LONGEST_NAME - len(str(number)) - 1].rstrip('/.')}_{number}"
        found[name] = unique
    return found


def _datum(name: str, value: float, dimensions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "MetricName": name,
        "Value": float(value),
        "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
    }


def _put(cloudwatch: Any, data: list[dict[str, Any]]) -> bool:
    try:
        for start in range(0, len(data), _MOST_DATA):
            cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + _MOST_DATA])
    except cloudwatch.exceptions.ClientError as error:
        if is_denied(error):
            return False
        raise
    return True
