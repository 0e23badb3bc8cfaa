"""Starts localaws in the background, says whether it runs, ends it."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from localaws.processes import stop_leftovers
from localaws.settings import REPOSITORY, Settings

START_SECONDS = 60
STOP_SECONDS = 30


class DaemonError(Exception):
    """Why it could not be started or stopped, for a person; `status` is the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def log_file(settings: Settings) -> Path:
    """Where localaws itself logs."""
    return settings.logs / "localaws.log"


def running_pid(settings: Settings) -> int | None:
    """The process that holds this home, or None. The lock decides, so a stale pid file misleads nobody."""
    lock = settings.run / "lock"
    if not lock.exists():
        return None
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                return int((settings.run / "pid").read_text())
            except (OSError, ValueError):
                return None
    return None


def health(settings: Settings, timeout: float = 2) -> dict[str, Any] | None:
    """What the localaws on this port says of itself; None where nobody, or somebody else, answers."""
    try:
        with urllib.request.urlopen(f"{settings.url}/_localaws/health", timeout=timeout) as answer:
            found: dict[str, Any] = json.load(answer)
            return found if "home" in found else None
    except (OSError, ValueError, urllib.error.URLError):
        return None


def up(settings: Settings) -> int:
    """Starts localaws and waits until it answers; returns its process id.

    Raises:
        DaemonError: it runs already, the port is taken, or it did not start.
    """
    pid = running_pid(settings)
    if pid is not None:
        raise DaemonError(f"localaws is already running (process {pid}, {settings.url}, logs in {settings.logs}).", 3)
    if port_taken(settings):
        raise DaemonError(
            f"Port {settings.port} is taken by another program: set LOCALAWS_PORT to a free port and try again.",
            3,
        )
    settings.logs.mkdir(parents=True, exist_ok=True)
    with log_file(settings).open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "localaws", "serve"],
            cwd=REPOSITORY,
            env=os.environ | {"LOCALAWS_HOME": str(settings.home), "LOCALAWS_PORT": str(settings.port)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if health(settings):
            return process.pid
        time.sleep(0.1)
    else:
        process.terminate()
    raise DaemonError(f"localaws did not start: {log_file(settings)} says why.", 1)


def port_taken(settings: Settings) -> bool:
    """Whether something listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            return True
    return False


def down(settings: Settings) -> bool:
    """Ends localaws and all it started; False where there was nothing to end."""
    pid = running_pid(settings)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while running_pid(settings) is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        if running_pid(settings) is not None:
            os.kill(pid, signal.SIGKILL)
    settings.env_file.unlink(missing_ok=True)
    leftovers = stop_leftovers(settings.run / "processes")
    return pid is not None or bool(leftovers)
