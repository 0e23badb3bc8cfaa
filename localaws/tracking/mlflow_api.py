"""Calls that localaws itself makes to a tracking server's process, past the gateway."""

import json
from typing import Any

import aiohttp

from localaws.tracking.connections import Connections
from localaws.tracking.server import TrackingServer


class MlflowError(Exception):
    """MLflow said no; `content` is what it said."""

    def __init__(self, status: int, content: dict[str, Any]) -> None:
        super().__init__(content.get("message", f"HTTP {status}"))
        self.status = status
        self.content = content


class MlflowApi:
    """MLflow's REST API, version 2.0, which every offered release has."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def get(self, server: TrackingServer, path: str, **parameters: str) -> dict[str, Any]:
        """GET.

        Raises:
            MlflowError: it refused, or does not answer (502).
        """
        return await self._call(server, "GET", path, params=parameters)

    async def post(self, server: TrackingServer, path: str, **content: str) -> dict[str, Any]:
        """POST.

        Raises:
            MlflowError: it refused, or does not answer (502).
        """
        return await self._call(server, "POST", path, json=content)

    async def _call(self, server: TrackingServer, method: str, path: str, **given: Any) -> dict[str, Any]:
        url = f"{server.upstream}/api/2.0/mlflow/{path}"
        try:
            async with self._connections.session.request(method, url, **given) as answer:
                status, text = answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            message = f"The tracking server failed: {error}"
            raise MlflowError(502, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": message}) from error
        try:
            content = json.loads(text)
        except ValueError:
            content = {"error_code": "INTERNAL_ERROR", "message": text[:500]}
        if status != 200:
            raise MlflowError(status, content)
        found: dict[str, Any] = content
        return found
