"""One container: a process with the serving image's entry point, watched and restarted as a container host does."""

import http.client
import logging
import random
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from localaws.endpoints.logs import ContainerLog
from localaws.processes import Child, Processes, StoppingError
from localaws.settings import REPOSITORY

ENTRY_POINT = REPOSITORY / "serving" / "serve"
# AWS: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
PING_SECONDS = 2
STOP_SECONDS = 30
WATCH_SECONDS = 0.5
RESTART_SECONDS = 30
log = logging.getLogger(__name__)


class Container:
    """Starts once, is pinged until healthy, and from then on is started again whenever it ends."""

    def __init__(
        self,
        name: str,
        interpreter: Path,
        folder: Path,
        env: Mapping[str, str],
        processes: Processes,
        container_log: ContainerLog,
    ) -> None:
        """`folder` has the model in `model/`; it is deleted when the container stops."""
        self._name = name
        self._interpreter = interpreter
        self._folder = folder
        self._env = env
        self._processes = processes
        self._log = container_log
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._child: Child | None = None
        self.port = _free_port()
        self.healthy = False

    def start(self) -> None:
        """Starts the process."""
        self._child = self._processes.start(
            self._name,
            [self._interpreter, ENTRY_POINT, "serve"],
            {
                "PATH": f"{self._interpreter.parent}:/usr/local/bin:/usr/bin:/bin",
                "HOME": str(self._folder),
                "LANG": "C.UTF-8",
                "PYTHONUNBUFFERED": "1",
                **self._env,
                "SERVING_MODEL_DIR": str(self._folder / "model"),
                "SERVING_HOST": "127.0.0.1",
                "SAGEMAKER_BIND_TO_PORT": str(self.port),
            },
            self._folder,
        )

    def wait(self, seconds: float) -> bool:
        """Whether /ping answers 200 within `seconds`; then the container is watched.

        AWS starts a container that ends again and again until the time is over, which takes it 24 minutes:
        here its first end is the answer.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._stopping.is_set():
            running = self._child is not None and self._child.running
            self.healthy = running and ping(self.port)
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
        """Ends the process, sends the end of its log, deletes its folder."""
        self._stopping.set()
        self.healthy = False
        if self._watcher:
            self._watcher.join()
        if self._child:
            self._processes.stop(self._child, STOP_SECONDS)
        self._log.follow(to_the_end=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def abandon(self) -> None:
        """Watches no longer; the process and the folder stay."""
        self._stopping.set()

    def _watch(self) -> None:
        pause = 1.0
        while not self._stopping.wait(WATCH_SECONDS):
            if self._child and self._child.running:
                if not self.healthy:
                    self.healthy = ping(self.port)
            else:
                self.healthy = False
                self._log.follow(to_the_end=True)
                log.warning("%s ended: it starts again in %.0f s.", self._name, pause)
                if self._stopping.wait(pause):
                    return
                pause = min(2 * pause, RESTART_SECONDS)
                with suppress(StoppingError):
                    self.start()
            self._log.follow()


def ping(port: int) -> bool:
    """Whether a container says that it is healthy."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PING_SECONDS)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    """A port that nothing listens on, below those that systems give to outgoing connections.

    The process binds it seconds later: one of theirs could be taken by then.
    """
    while True:
        port = random.randrange(20000, 32000)  # noqa: S311
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
