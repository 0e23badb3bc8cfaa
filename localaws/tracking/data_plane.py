"""Handles tracking calls that are authenticated, by signature or by session."""

from typing import Any

from localaws.call import Call
from localaws.front.asgi import Receive, Send, respond, respond_json
from localaws.tracking.hosted import HostedMlflow
from localaws.tracking.presigned_upload import PATH, PresignedUpload
from localaws.tracking.proxy import Proxy
from localaws.tracking.registration import Registration


class DataPlane:
    """Forwards calls to MLflow, and implements what SageMaker adds to MLflow."""

    def __init__(self, proxy: Proxy, registration: Registration, upload: PresignedUpload) -> None:
        self._proxy = proxy
        self._registration = registration
        self._upload = upload

    async def answer(self, server: HostedMlflow, call: Call, receive: Receive, send: Send) -> None:
        """Respond to a call to a server that is serving."""
        if call.method == "POST" and PATH.fullmatch(call.path):
            status, content = await self._upload.answer(server, call)
            await respond_json(send, status, content)
        elif server.registers_models and self._registration.concerns(call):
            await self._registered(server, call, receive, send)
        else:
            await self._proxy.forward(call, server.port, receive, send)

    async def _registered(self, server: HostedMlflow, call: Call, receive: Receive, send: Send) -> None:
        refusal = await self._registration.before(server, call)
        if refusal:
            await respond_json(send, 400, {"error_code": "BAD_REQUEST", "message": refusal})
            return
        copy = _Copy(send)
        await self._proxy.forward(call, server.port, receive, copy)
        if copy.status == 200:
            self._registration.after(server, call, bytes(copy.body))


class _Copy:
    """Forwards a response and keeps a copy."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.body = bytearray()

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.body += message.get("body", b"")
        await self._send(message)


async def say(send: Send, status: int, text: str) -> None:
    """Respond with plain text, as SageMaker's gateway does."""
    await respond(send, status, {"content-type": "text/plain; charset=utf-8"}, text.encode())


def not_serving(server: HostedMlflow) -> str:
    """Return the reason why a server or App cannot receive calls."""
    sentence = f"{server.title.replace('Server', 'server')} {server.name} is in status {server.status}"
    return f"{sentence}: {server.reason}" if server.reason else sentence
