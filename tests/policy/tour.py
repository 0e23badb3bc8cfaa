"""A tour of MLflow's API in addition to the demo: calls each `sagemaker-mlflow` action once, with a permitted role.

The calls are those of MLflow's own clients, without the seconds that importing MLflow takes.
"""

import json
from typing import Any

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from mlflow_platform.localaws_client import SESSION
from tests.support.deployed import Deployed
from tests.support.http import HTTP

HEADER = "x-mlflow-sm-tracking-server-arn"
# An alias with a life cycle of SageMaker's registry: setting it changes the model package.
STAGE = "sagemakerlifecycle-staging-pending"


class Caller:
    """A session of a role, on one tracking server."""

    def __init__(self, taken: Deployed) -> None:
        self._url = taken.environ["AWS_ENDPOINT_URL"]
        self._arn = taken.outputs["mlflow_tracking_uri"]
        self._region = taken.environ["AWS_REGION"]
        self._keys = Credentials(*(taken.environ[name] for name in SESSION))

    def status(self, method: str, path: str, /, **content: Any) -> int:
        """The HTTP status of a call to `/api/2.0/mlflow/{path}`."""
        return self._send(method, path, content).status_code

    def __call__(self, method: str, path: str, /, **content: Any) -> Any:
        """The response of a call, which must succeed."""
        answer = self._send(method, path, content)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def _send(self, method: str, path: str, content: dict[str, Any]) -> httpx.Response:
        url = f"{self._url}/api/2.0/mlflow/{path}"
        body = json.dumps(content).encode() if content else b""
        headers = {HEADER: self._arn, "Content-Type": "application/json"}
        request = AWSRequest(method, url, data=body, headers=headers)
        SigV4Auth(self._keys, "sagemaker-mlflow", self._region).add_auth(request)
        return HTTP.request(method, url, content=body, headers=dict(request.headers), timeout=60)


def write(call: Caller) -> dict[str, str]:
    """Make all calls that create or change; return the names of the created objects."""
    experiment = call("POST", "experiments/create", name="tour")["experiment_id"]
    call("POST", "experiments/update", experiment_id=experiment, new_name="the tour")
    call("POST", "experiments/set-experiment-tag", experiment_id=experiment, key="k", value="v")
    info = call("POST", "runs/create", experiment_id=experiment)["run"]["info"]
    run = info["run_id"]
    call("POST", "runs/log-metric", run_id=run, key="m", value=1.0, timestamp=1)
    call("POST", "runs/log-parameter", run_id=run, key="p", value="1")
    call("POST", "runs/set-tag", run_id=run, key="k", value="v")

    model = call("POST", "logged-models", experiment_id=experiment, name="m")["model"]["info"]["model_id"]
    call("PATCH", f"logged-models/{model}/tags", model_id=model, tags=[{"key": "k", "value": "v"}])
    call("POST", f"logged-models/{model}/params", model_id=model, params=[{"key": "p", "value": "1"}])

    call("POST", "registered-models/create", name="tour")
    call("PATCH", "registered-models/update", name="tour", description="d")
    call("POST", "registered-models/set-tag", name="tour", key="k", value="v")
    call("POST", "model-versions/create", name="tour", source=f"{info['artifact_uri']}/m", run_id=run)
    version = {"name": "tour", "version": "1"}
    call("PATCH", "model-versions/update", **version, description="d")
    call("POST", "model-versions/set-tag", **version, key="k", value="v")
    call("POST", "model-versions/transition-stage", **version, stage="Staging", archive_existing_versions=False)
    call("POST", "registered-models/alias", **version, alias="champion")
    # The demo's model already has its package.
    call("POST", "registered-models/alias", name="iris", version="1", alias=STAGE)

    trace = call("POST", "traces", experiment_id=experiment, timestamp_ms=1, request_metadata=[], tags=[])[
        "trace_info"
    ]["request_id"]
    call("PATCH", f"traces/{trace}", timestamp_ms=2, status="OK", request_metadata=[], tags=[])
    call("PATCH", f"traces/{trace}/tags", key="k", value="v")
    return {"experiment": experiment, "run": run, "model": model, "trace": trace}


def read(call: Caller, made: dict[str, str]) -> None:
    """Make all calls that read."""
    experiment, run, model, trace = (made[name] for name in ("experiment", "run", "model", "trace"))
    call("GET", f"experiments/get?experiment_id={experiment}")
    call("GET", "experiments/get-by-name?experiment_name=the%20tour")
    call("POST", "experiments/search", max_results=1)
    call("GET", f"runs/get?run_id={run}")
    call("POST", "runs/search", experiment_ids=[experiment])
    call("GET", f"metrics/get-history?metric_key=m&run_id={run}")
    call("GET", f"artifacts/list?run_id={run}")
    call("GET", f"logged-models/{model}")
    call("POST", "logged-models/search", experiment_ids=[experiment])
    call("GET", f"logged-models/{model}/artifacts/directories")
    call("GET", "registered-models/get?name=tour")
    call("GET", "registered-models/search")
    call("POST", "registered-models/get-latest-versions", name="tour")
    call("GET", "registered-models/alias?alias=champion&name=tour")
    call("GET", "model-versions/get?name=tour&version=1")
    call("GET", "model-versions/search")
    call("GET", "model-versions/get-download-uri?name=tour&version=1")
    call("GET", f"traces/{trace}/info")
    call("GET", f"traces?experiment_ids={experiment}")


def take_away(call: Caller, made: dict[str, str]) -> None:
    """Delete, rename and restore; and request an upload URL, for which there is no action except `*`."""
    experiment, run, model, trace = (made[name] for name in ("experiment", "run", "model", "trace"))
    upload = call("POST", "artifacts/presigned-upload-url", run_id=run, path="a.txt")
    HTTP.put(upload["presigned_url"], content=b"a", headers=upload["headers"]).raise_for_status()

    call("DELETE", f"traces/{trace}/tags", key="k")
    call("POST", "traces/delete-traces", experiment_id=experiment, request_ids=[trace])
    call("DELETE", "registered-models/alias", name="tour", alias="champion")
    call("DELETE", "registered-models/delete-tag", name="tour", key="k")
    call("DELETE", "model-versions/delete-tag", name="tour", version="1", key="k")
    call("POST", "registered-models/rename", name="tour", new_name="the tour")
    call("DELETE", "model-versions/delete", name="the tour", version="1")
    call("DELETE", "registered-models/delete", name="the tour")
    call("DELETE", f"logged-models/{model}/tags/k")
    call("DELETE", f"logged-models/{model}")
    call("POST", "runs/delete-tag", run_id=run, key="k")
    for thing, name in (("runs", {"run_id": run}), ("experiments", {"experiment_id": experiment})):
        call("POST", f"{thing}/delete", **name)
        call("POST", f"{thing}/restore", **name)
