"""Starts localaws in the background, reports whether it runs, and stops it."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from localaws import home
from localaws.images.runtime import missing
from localaws.processes import stop_leftovers
from localaws.settings import CONTROL_HEADER, REPOSITORY, Settings, no_proxy
from localaws.state import files
from localaws.state.files import StateError

START_SECONDS = 60
# Bytes. With less, not even the log of a failed start is complete.
LEAST_FREE = 64 * 1024
# How long `up` waits for the tracking servers and endpoints of a saved state: an endpoint may build its environment.
RESUME_SECONDS = 300
# Stopping includes writing all S3 objects to disk.
STOP_SECONDS = 120
_PORT = re.compile(r"^AWS_ENDPOINT_URL=http://[^:\s]+:([0-9]+)$", re.MULTILINE)
# The loopback address is never reached through a proxy, whatever HTTP_PROXY says.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class DaemonError(Exception):
    """Why localaws could not be started or stopped; `status` is the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def log_file(settings: Settings) -> Path:
    """The log file of localaws itself."""
    return settings.logs / "localaws.log"


def running_pid(settings: Settings) -> int | None:
    """The process that serves this home, or None. The lock decides: a process id in a file may be out of date."""
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


def as_running(settings: Settings) -> Settings:
    """The settings with the port on which this home is served. LOCALAWS_PORT may be another one in another shell."""
    try:
        found = _PORT.search(settings.env_file.read_text())
    except (OSError, ValueError):
        found = None
    return replace(settings, port=int(found[1])) if found and running_pid(settings) is not None else settings


def health(settings: Settings, timeout: float = 2) -> dict[str, Any] | None:
    """The health of the localaws on this port; None if nothing or another program answers."""
    request = urllib.request.Request(f"{settings.url}/_localaws/health", headers={CONTROL_HEADER: "1"})
    try:
        with _DIRECT.open(request, timeout=timeout) as answer:
            found: dict[str, Any] = json.load(answer)
            return found if "home" in found else None
    except (OSError, ValueError):
        return None


def up(settings: Settings, say: Callable[[str], object] = lambda _: None) -> int:
    """Starts localaws, waits until it answers and its saved processes run again; returns its process id.

    Args:
        settings: which localaws.
        say: called with a warning for the user.

    Raises:
        DaemonError: this machine cannot run containers, it is already running, the port is in use, its saved state
            cannot be read, or it did not start.
        HomeError: its home is unusable or the user's.
    """
    check_machine(settings)
    home.claim(settings)
    with _alone(settings):
        pid = running_pid(settings)
        if pid is not None:
            url = as_running(settings).url
            message = f"localaws is already running (process {pid}, {url}, logs in {settings.logs})."
            raise DaemonError(message, 3)
        if port_taken(settings):
            message = (
                f"Port {settings.port} is taken by another program: set LOCALAWS_PORT to a free port and try again."
            )
            raise DaemonError(message, 3)
        prepare_state(settings, say)
        return _start(settings)


def check_machine(settings: Settings) -> None:
    """Checks that this machine can do what the settings want.

    Raises:
        DaemonError: endpoints should run in their images, and cannot.
    """
    if settings.containers and (lacking := missing()):
        advice = "Install buildah on Linux and start localaws as root, or unset the variable."
        raise DaemonError(f"LOCALAWS_CONTAINERS=1 cannot work: this machine lacks {lacking}. {advice}", 3)


def prepare_state(settings: Settings, say: Callable[[str], object]) -> None:
    """Checks the saved state, and restores the last save if localaws did not stop cleanly (then it calls `say`).

    Raises:
        DaemonError: the state cannot be read.
    """
    try:
        saved = files.read(settings)
    except StateError as error:
        raise DaemonError(str(error), 3) from None
    marker = files.unsaved_marker(settings)
    if marker.exists():
        since = f"its state of {saved.saved:%Y-%m-%d %H:%M} UTC" if saved else "an empty state"
        say(f"localaws did not stop cleanly. It starts with {since}; later changes are lost.")
        if saved is None:
            files.delete(settings)
    if saved and (marker.exists() or saved.port != settings.port):
        files.restore_terraform(settings, saved.port)
    marker.unlink(missing_ok=True)


def _start(settings: Settings) -> int:
    log = log_file(settings)
    begin = log.stat().st_size if log.exists() else 0
    log.touch(mode=0o600)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "localaws", "serve"],
            cwd=REPOSITORY,
            env=os.environ
            | {"LOCALAWS_HOME": str(settings.home), "LOCALAWS_PORT": str(settings.port)}
            # Its own AWS clients, such as the one that downloads models, must not use a proxy for 127.0.0.1.
            | dict.fromkeys(("NO_PROXY", "no_proxy"), no_proxy(os.environ)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )
    if not _wait(process, START_SECONDS, lambda: health(settings) is not None):
        process.terminate()
        full = "" if shutil.disk_usage(settings.home).free >= LEAST_FREE else ": the disk is full"
        raise DaemonError(f"localaws did not start{full or _reason(log, begin)}. Read its log: {log}", 1)
    if not _wait(process, RESUME_SECONDS, lambda: not (health(settings) or {}).get("resuming", 1)):
        message = "the saved tracking servers and endpoints are not running yet"
        raise DaemonError(f"localaws runs at {settings.url}, but {message}. Run `python -m localaws status`.", 1)
    return process.pid


def _wait(process: "subprocess.Popen[bytes]", seconds: float, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if done():
            return True
        time.sleep(0.1)
    return False


def _reason(log: Path, begin: int) -> str:
    """The last line of the log since `begin`."""
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last.rstrip('.')}" if last else ""


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Lets one command at a time start or stop the localaws of a home; other commands wait."""
    file = settings.command_file
    file.touch(mode=0o600)
    with file.open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
    """Stops localaws, which saves its state, and everything it started; False if nothing ran.

    Raises:
        DaemonError: its state was not saved.
        HomeError: its home is unusable or the user's.
    """
    home.check(settings)
    if not settings.run.is_dir():
        return False
    with _alone(settings):
        return _stop(settings)


def _stop(settings: Settings) -> bool:
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
    if pid is not None and files.unsaved_marker(settings).exists():
        raise DaemonError(f"localaws is stopped, but its state was not saved. Read its log: {log_file(settings)}", 1)
    return pid is not None or bool(leftovers)


def reset(settings: Settings) -> None:
    """Stops localaws and deletes its state. Named copies stay.

    Raises:
        OSError: a file cannot be deleted.
        HomeError: its home is unusable or the user's.
    """
    home.check(settings)
    if not settings.home.exists():
        return
    home.claim(settings)
    with _alone(settings):
        with suppress(DaemonError):  # An unsaved state is deleted anyway.
            _stop(settings)
        files.delete(settings)
        files.unsaved_marker(settings).unlink(missing_ok=True)
