"""The foreground process of localaws: web server, lock and idle timeout."""

import asyncio
import fcntl
import gc
import logging
import os
import time
from typing import TYPE_CHECKING

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from localaws.processes import stop_leftovers
from localaws.settings import Settings

if TYPE_CHECKING:
    from localaws.front.application import Application
    from localaws.local_aws import LocalAws

# Bytes. The headers of AWS's SDKs take a few thousand; a browser also sends its cookies of this machine.
MOST_OF_HEAD = 1 << 20


class AlreadyRunningError(Exception):
    """Another localaws uses this home."""


class Protocol(HttpToolsProtocol):
    """HTTP/1.1, with a way to abort the connection, which the faults `drop` and `lost` need."""

    _head = 0
    """The bytes of the current request's headers; -1 behind them."""

    def data_received(self, data: bytes) -> None:
        """Refuses headers without end, which would fill the memory: nothing signs them."""
        super().data_received(data)
        if self._head >= 0:
            self._head += len(data)
            if self._head > MOST_OF_HEAD and not self.transport.is_closing():
                self.send_400_response("The headers are too long.")

    def on_message_begin(self) -> None:
        """The headers begin."""
        super().on_message_begin()
        self._head = 0

    def on_headers_complete(self) -> None:
        """Puts the way to break off into the scope, before the application's task first runs."""
        super().on_headers_complete()
        self._head = -1
        self.scope["localaws.abort"] = self.transport.abort  # type: ignore[typeddict-unknown-key]


def serve(settings: Settings) -> None:
    """Serves until SIGTERM, SIGINT or `idle_minutes` without a request.

    Raises:
        AlreadyRunningError: another process serves this home.
    """
    os.umask(0o077)  # Databases, logs and states contain keys and data. Child processes inherit the umask.
    with (settings.run / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError from None
        (settings.run / "pid").write_text(str(os.getpid()))
        stop_leftovers(settings.run / "processes")
        try:
            uvloop.run(_serve(settings))  # Makes passing on a tracking call about 10 % faster.
        finally:
            (settings.run / "pid").unlink(missing_ok=True)


async def _serve(settings: Settings) -> None:
    # moto asks whether it runs as a server (it then answers presigned and host-style requests for 127.0.0.1).
    os.environ["TEST_SERVER_MODE"] = "true"
    os.environ["MOTO_PORT"] = str(settings.port)
    from localaws.local_aws import LocalAws

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    local_aws = LocalAws(settings)
    application = local_aws.application
    config = uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        http=Protocol,
        lifespan="on",  # Otherwise uvicorn serves although the start failed, such as on a full disk.
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=65,
    )
    server = uvicorn.Server(config)
    # Nothing of what exists now is garbage. The collector would look through moto again and again.
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    watch = asyncio.create_task(_stop_when_idle(server, application, settings.idle_minutes * 60))
    resume = asyncio.create_task(_resume(server, local_aws))
    await server.serve()
    watch.cancel()
    resume.cancel()


async def _resume(server: uvicorn.Server, local_aws: "LocalAws") -> None:
    while not server.started:
        await asyncio.sleep(0.02)
    local_aws.resume()


async def _stop_when_idle(server: uvicorn.Server, application: "Application", seconds: float) -> None:
    while time.monotonic() - application.last_request < seconds:
        await asyncio.sleep(min(seconds, 5))
    logging.getLogger(__name__).info("No request for %.0f s: stopping.", seconds)
    server.should_exit = True
