"""Presigned URLs to upload one artifact of a run, signed with the server's role.

They let a client without permissions on the bucket log artifacts. AWS documents only the client. The request and the
response follow https://github.com/aws/sagemaker-mlflow (sagemaker_mlflow/s3_presigned_artifact_repo.py) and MLflow's
own handler of the same path, which was added after 3.0.
"""

import asyncio
import json
import posixpath
import re
from typing import Any
from urllib.parse import urlsplit

from localaws.call import Call
from localaws.tracking.hosted import HostedMlflow
from localaws.tracking.mlflow_api import MlflowApi, MlflowError
from localaws.tracking.role import RoleClients

# Only below the API: elsewhere a path needs no more than the right to open the UI.
PATH = re.compile(r"/(ajax-)?api/[0-9.]+/mlflow/artifacts/presigned-upload-url")
DEFAULT_SECONDS = 900
# With role chaining, a role session lasts at most an hour, and so do the URLs that it signs.
MOST_SECONDS = 3600


class PresignedUpload:
    """Handles POST /api/2.0/mlflow/artifacts/presigned-upload-url."""

    def __init__(self, mlflow: MlflowApi, clients: RoleClients) -> None:
        self._mlflow = mlflow
        self._clients = clients

    async def answer(self, server: HostedMlflow, call: Call) -> tuple[int, dict[str, Any]]:
        """Return status and content: {"presigned_url", "headers"}, or an error in MLflow's format."""
        try:
            run_id, path, seconds = _read(call.body or b"")
            run = await self._mlflow.get(server, "runs/get", run_id=run_id)
        except _InvalidError as error:
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": str(error)}
        except MlflowError as error:
            return error.status, error.content
        url = await asyncio.to_thread(self._sign, server, f"{run['run']['info']['artifact_uri']}/{path}", seconds)
        return 200, {"presigned_url": url, "headers": {}}

    def _sign(self, server: HostedMlflow, uri: str, seconds: int) -> str:
        place = urlsplit(uri)
        s3 = self._clients.client(server, "s3")
        url: str = s3.generate_presigned_url(
            "put_object", Params={"Bucket": place.netloc, "Key": place.path.lstrip("/")}, ExpiresIn=seconds
        )
        return url


class _InvalidError(Exception):
    """The request is invalid. The message says why."""


def _read(body: bytes) -> tuple[str, str, int]:
    try:
        given = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise _InvalidError("The request body is not a JSON object.")
    run_id, path, seconds = given.get("run_id"), given.get("path"), given.get("expiration", DEFAULT_SECONDS)
    if not (isinstance(run_id, str) and run_id):
        raise _InvalidError("Missing value for required parameter 'run_id'.")
    if not (isinstance(path, str) and path):
        raise _InvalidError("Missing value for required parameter 'path'.")
    if posixpath.normpath(path) != path or path.startswith(("/", "..")):
        raise _InvalidError(f"Invalid path: {path}")
    if not isinstance(seconds, int) or not 1 <= seconds <= MOST_SECONDS:
        raise _InvalidError(f"Invalid value for parameter 'expiration': an integer from 1 to {MOST_SECONDS}.")
    return run_id, path, seconds
