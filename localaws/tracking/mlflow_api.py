"""Calls that localaws makes directly to a tracking server's process, without the gateway."""

import json
from typing import Any
from urllib.parse import urlencode

from localaws.tracking.hosted import HostedMlflow
from localaws.tracking.upstream import UpstreamError, Upstreams


class MlflowError(Exception):
    """MLflow returned an error; `content` is its response."""

    def __init__(self, status: int, content: dict[str, Any]) -> None:
        super().__init__(content.get("message", f"HTTP {status}"))
        self.status = status
        self.content = content


class MlflowApi:
    """MLflow's REST API, version 2.0, which all supported releases have."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams

    async def get(self, server: HostedMlflow, path: str, **parameters: str) -> dict[str, Any]:
        """Send a GET request.

        Raises:
            MlflowError: MLflow returned an error, or does not respond (502).
        """
        return await self._call(server, "GET", f"{path}?{urlencode(parameters)}", {})

    async def post(self, server: HostedMlflow, path: str, **content: str) -> dict[str, Any]:
        """Send a POST request.

        Raises:
            MlflowError: MLflow returned an error, or does not respond (502).
        """
        return await self._call(server, "POST", path, content)

    async def _call(self, server: HostedMlflow, method: str, path: str, content: dict[str, str]) -> dict[str, Any]:
        body = json.dumps(content).encode() if content else b""
        headers = [("content-type", "application/json")] if body else []
        try:
            async with self._upstreams.connection(server.port) as connection:
                await connection.send(method, f"/api/2.0/mlflow/{path}", headers, body)
                status, _ = await connection.start()
                text = b"".join([chunk async for chunk in connection.body()])
        except UpstreamError as error:
            message = f"The tracking server failed: {error}"
            raise MlflowError(502, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": message}) from error
        try:
            answer: dict[str, Any] = json.loads(text)
        except ValueError:
            answer = {"error_code": "INTERNAL_ERROR", "message": text[:500].decode(errors="replace")}
        if status != 200:
            raise MlflowError(status, answer)
        return answer
