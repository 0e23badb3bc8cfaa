"""Captured requests as SageMaker writes them."""

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any


def line(
    event: str,
    rows: dict[str, Sequence[Any]],
    predictions: Sequence[Any],
    when: datetime,
    *,
    inference_id: str | None = None,
) -> str:
    """A captured request with rows in the split format, and the answer of MLflow's server, both as base64."""
    data = [list(values) for values in zip(*rows.values(), strict=True)]
    request = json.dumps({"dataframe_split": {"columns": list(rows), "data": data}})
    answer = json.dumps({"predictions": list(predictions)})
    about = {"eventId": event, "inferenceTime": f"{when:%Y-%m-%dT%H:%M:%SZ}"}
    return json.dumps(
        {
            "captureData": {"endpointInput": _body(request), "endpointOutput": _body(answer)},
            "eventMetadata": about | ({"inferenceId": inference_id} if inference_id else {}),
            "eventVersion": "0",
        }
    )


def key(endpoint: str, when: datetime, name: str, variant: str = "AllTraffic") -> str:
    """The path of a captured file below the destination."""
    return f"{endpoint}/{variant}/{when:%Y/%m/%d/%H}/{name}.jsonl"


def _body(text: str) -> dict[str, str]:
    data = base64.b64encode(text.encode()).decode()
    return {"observedContentType": "application/json", "mode": "INPUT", "data": data, "encoding": "BASE64"}
