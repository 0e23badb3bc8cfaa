"""One container: a process that runs the serving image's entry point, monitored and restarted like a real container."""

import http.client
import logging
import random
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from localaws.endpoints.logs import ContainerLog
from localaws.endpoints.program import Program
from localaws.processes import Child, Processes, StoppingError

TOKEN_HEADER = "x-serving-token"  # noqa: S105
# AWS: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
PING_SECONDS = 2
STOP_SECONDS = 30
WATCH_SECONDS = 0.5
RESTART_SECONDS = 30
log = logging.getLogger(__name__)


class Container:
    """A container. Once it has passed the health check, it is restarted whenever its process exits."""

    def __init__(
        self,
        name: str,
        program: Program,
        folder: Path,
        env: Mapping[str, str],
        processes: Processes,
        container_log: ContainerLog,
    ) -> None:
        """`folder` has the model in `model/`; it is deleted when the container stops."""
        self._name = name
        self._program = program
        self._folder = folder
        self._env = env
        self._processes = processes
        self._log = container_log
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._child: Child | None = None
        self.port = _free_port()
        # Other programs and web pages can connect to the port: serving/serve requires this token of every request.
        self.token = secrets.token_urlsafe(32)
        self.healthy = False
        # Held while the process is suspended or started again.
        self._life = threading.Lock()
        self._waking = threading.Lock()
        self._closed = False
        self.suspended = False
        self.waking = False

    def start(self) -> None:
        """Start the process."""
        self._child = self._processes.start(
            self._name,
            self._program.command,
            {
                **self._program.env,
                **self._env,
                "SERVING_MODEL_DIR": self._program.model,
                "SERVING_HOST": "127.0.0.1",
                "SERVING_TOKEN": self.token,
                "SAGEMAKER_BIND_TO_PORT": str(self.port),
            },
            self._folder,
        )

    def wait(self, seconds: float) -> bool:
        """Wait until /ping returns 200, then start monitoring the container.

        If the process exits first, the deployment fails at once. AWS would restart the container until a timeout, which
        takes 24 minutes.

        Returns:
            False if the process exits, the container is stopped or `seconds` pass first.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._stopping.is_set():
            running = self._child is not None and self._child.running
            self.healthy = running and ping(self.port, self.token)
            self._log.follow(to_the_end=not running)
            if self.healthy:
                self._watcher = threading.Thread(target=self._watch, name=f"watch {self._name}", daemon=True)
                self._watcher.start()
                return True
            if not running:
                return False
            self._stopping.wait(0.1)
        return False

    def stop(self) -> None:
        """Stop the process, send the rest of its log and delete its folder."""
        self._closed = True
        self._stopping.set()
        with self._life:
            self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def abandon(self) -> None:
        """Stop monitoring. The process keeps running and the folder is kept."""
        self._closed = True
        self._stopping.set()

    def may_suspend(self) -> bool:
        """Mark a healthy container as suspended, so that the next request wakes it; return False for others."""
        if not self.healthy or self.suspended:
            return False
        self.suspended = True
        return True

    def suspend(self) -> None:
        """Stop the process of a container that is marked as suspended, and keep its folder."""
        with self._life:
            if not self.suspended or self._closed:
                return
            self._stopping.set()
            self._end()
            self._stopping = threading.Event()
            if self._closed:
                self._stopping.set()

    def wake(self, seconds: float) -> None:
        """Start the process of a suspended container in the background: `waking` is true until it is healthy or failed.

        Args:
            seconds: how long it may take to pass the health check.
        """
        with self._waking:
            if not self.suspended:
                return
            self.suspended, self.waking = False, True
        threading.Thread(target=self._wake, args=(seconds,), name=f"wake {self._name}", daemon=True).start()

    def _wake(self, seconds: float) -> None:
        try:
            with self._life:
                if self._closed:
                    return
                if self.healthy:  # It was marked, but its process had not been stopped yet.
                    return
                self.start()
                if not self.wait(seconds) and self._child:
                    self._processes.stop(self._child, STOP_SECONDS)
                    self.suspended = True
        except OSError as error:
            log.warning("%s cannot be started: %s", self._name, error)
        finally:
            self.waking = False

    def _end(self) -> None:
        self.healthy = False
        if self._watcher:
            self._watcher.join()
        if self._child:
            self._processes.stop(self._child, STOP_SECONDS)
        self._log.follow(to_the_end=True)

    def _watch(self) -> None:
        pause = 1.0
        while not self._stopping.wait(WATCH_SECONDS):
            if self._child and self._child.running:
                if not self.healthy:
                    self.healthy = ping(self.port, self.token)
            else:
                self.healthy = False
                self._log.follow(to_the_end=True)
                log.warning("%s exited. Restarting it in %.0f s.", self._name, pause)
                if self._stopping.wait(pause):
                    return
                pause = min(2 * pause, RESTART_SECONDS)
                with suppress(StoppingError):
                    self.start()
            self._log.follow()


def ping(port: int, token: str) -> bool:
    """Return whether a container passes the health check."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PING_SECONDS)
    try:
        connection.request("GET", "/ping", headers={TOKEN_HEADER: token})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    """Return a free port below the ephemeral port range.

    The process binds the port seconds later. By then, an outgoing connection could have taken an ephemeral port.
    """
    while True:
        port = random.randrange(20000, 32000)  # noqa: S311
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
