"""The data plane: signed tracking calls, led to the server that their ARN header names."""

import logging

from localaws.application import Receive, Scope, Send, respond
from localaws.call import Call
from localaws.identify import TRACKING_SERVER_HEADER
from localaws.tracking.proxy import Proxy
from localaws.tracking.server import TrackingServer
from localaws.tracking.servers import TrackingServers

log = logging.getLogger(__name__)


class Gateway:
    """An ASGI application for calls whose signature is already checked."""

    def __init__(self, servers: TrackingServers, proxy: Proxy) -> None:
        self._servers = servers
        self._proxy = proxy

    @staticmethod
    def takes(call: Call) -> bool:
        """Whether a call is a tracking call."""
        return call.service == "sagemaker-mlflow"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        call: Call = scope["localaws.call"]
        server = self._servers.by_arn(call.headers.get(TRACKING_SERVER_HEADER, ""))
        if server is None:
            # The answer of https://github.com/aws/CICD-for-SageMakerUnifiedStudio/pull/13
            await _say(send, 404, "Tracking server could not be found")
        elif not server.serving:
            await _say(send, 400, _not_serving(server))
        else:
            await self._proxy.forward(call, server.upstream, receive, send)


def _not_serving(server: TrackingServer) -> str:
    if server.reason:
        return f"Tracking server {server.name} is in status {server.status}: {server.reason}"
    return f"Tracking server {server.name} is in status {server.status}"


async def _say(send: Send, status: int, text: str) -> None:
    await respond(send, status, {"content-type": "text/plain; charset=utf-8"}, text.encode())
