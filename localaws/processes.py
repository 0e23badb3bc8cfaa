"""The processes that localaws starts (MLflow servers, endpoints) and how it ends every one of them."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Child:
    """A started process, the leader of its own process group, so that its workers end with it."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def running(self) -> bool:
        """Whether it has not exited."""
        return self.process.poll() is None

    def log_tail(self, lines: int = 20) -> str:
        """The end of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Processes:
    """Starts and stops children; each is noted in a file, so that `down` finds those of a localaws that was killed."""

    def __init__(self, run: Path, logs: Path) -> None:
        self._run = run
        self._logs = logs
        self._children: dict[str, Child] = {}
        self._lock = threading.Lock()
        for folder in (run, logs):
            folder.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path) -> Child:
        """Starts `command` with exactly `env`; both outputs go to `logs/NAME.log`.

        Raises:
            OSError: the program cannot be started.
        """
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(part) for part in command],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, process, log)
        note = {"pid": process.pid, "started": _start_time(process.pid)}
        (self._run / f"{name}.json").write_text(json.dumps(note))
        with self._lock:
            self._children[name] = child
        return child

    def stop(self, child: Child, patience: float = 5) -> None:
        """Ends the child and its group: SIGTERM, then SIGKILL after `patience` seconds."""
        _end_group(child.process.pid, patience, child.process)
        with self._lock:
            if self._children.get(child.name) is child:
                del self._children[child.name]
                (self._run / f"{child.name}.json").unlink(missing_ok=True)

    def stop_all(self) -> None:
        """Ends every child; all are asked first, so that the waits overlap."""
        with self._lock:
            children = list(self._children.values())
        for child in children:
            _signal_group(child.process.pid, signal.SIGTERM)
        for child in children:
            self.stop(child)


def stop_leftovers(run: Path) -> list[str]:
    """Ends the noted processes of a localaws that could not end them itself; returns their names.

    A process id is only believed when the process started at the noted time: ids are used again.
    """
    stopped = []
    for note_file in sorted(run.glob("*.json")):
        note = json.loads(note_file.read_text())
        if note["started"] is not None and _start_time(note["pid"]) == note["started"]:
            _end_group(note["pid"], patience=5)
            stopped.append(note_file.stem)
        note_file.unlink()
    return stopped


def _start_time(pid: int) -> str | None:
    """When a process started, in words that differ between two processes with one id; None where it is gone."""
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or None


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _group_lives(pid: int) -> bool:
    """Whether a member of the group still runs. Zombies do not count: in a container nobody may reap orphans."""
    shown = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=False)
    members = (line.split() for line in shown.stdout.splitlines())
    return any(group == str(pid) and not state.startswith("Z") for group, state in members)


def _end_group(pid: int, patience: float, process: subprocess.Popen[bytes] | None = None) -> None:
    _signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while _group_lives(pid):
        if time.monotonic() > deadline:
            _signal_group(pid, signal.SIGKILL)
            break
        time.sleep(0.05)
    if process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
