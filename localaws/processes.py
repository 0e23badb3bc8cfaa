"""Starts and ends the child processes of localaws: MLflow servers, containers, builds."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Command = Sequence[str | Path]
# Runs a command under a name to its end. Returns its exit status and output.
Run = Callable[[str, Command], tuple[int, str]]
PROC = Path("/proc")
# Marks a child, so that it can be found if its process note is damaged.
NAME_VARIABLE = "LOCALAWS_PROCESS"
_KILL_SECONDS = 5


class StoppingError(OSError):
    """localaws is stopping and starts no more processes."""


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


class Processes:
    """Starts and stops children. `down` finds the children of a killed localaws by their process notes (files)."""

    def __init__(self, run: Path, logs: Path) -> None:
        self._run = run
        self._logs = logs
        self._children: dict[str, Child] = {}
        self._stopping = False
        self._lock = threading.Lock()
        for folder in (run, logs):
            folder.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: Command, env: Mapping[str, str], cwd: Path) -> Child:
        """Starts `command` with exactly `env`; both outputs go to `logs/NAME.log`.

        Raises:
            OSError: the program cannot be started; StoppingError: `stop_all` was called.
        """
        log = self.log(name)
        # Hold the lock for the whole start, so that `stop_all` finds every started process.
        with self._lock:
            self._check()
            with log.open("ab") as output:
                process = subprocess.Popen(
                    [str(part) for part in command],
                    env={**env, NAME_VARIABLE: str((self._run / f"{name}.json").resolve())},
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._children[name] = child = Child(name, process, log)
            note = {"pid": process.pid, "started": _start_time(process.pid)}
            _write_note(self._run / f"{name}.json", note)
        return child

    def log(self, name: str) -> Path:
        """The file for a child's output."""
        return self._logs / f"{name}.log"

    def run(self, name: str, command: Command) -> tuple[int, str]:
        """Runs `command` to its end and returns its exit status and output. Its log is deleted.

        Raises:
            OSError: the program cannot be started; StoppingError: `stop_all` was called before or during the run.
        """
        child = self.start(name, command, os.environ, Path.cwd())
        try:
            status = child.process.wait()
            self._check()
            return status, child.log.read_text(errors="replace").strip()
        finally:
            self._forget(child)
            child.log.unlink(missing_ok=True)

    def stop(self, child: Child, patience: float = 5) -> None:
        """Ends the child and its group: SIGTERM, then SIGKILL after `patience` seconds."""
        _end_group(child.process.pid, patience, child.process)
        self._forget(child)

    def stop_all(self) -> None:
        """Ends every child and prevents further starts. It signals all of them first, so that the waits overlap."""
        with self._lock:
            self._stopping = True
            children = list(self._children.values())
        for child in children:
            _signal_group(child.process.pid, signal.SIGTERM)
        for child in children:
            self.stop(child)

    def _check(self) -> None:
        if self._stopping:
            raise StoppingError("localaws is stopping.")

    def _forget(self, child: Child) -> None:
        with self._lock:
            if self._children.get(child.name) is child:
                del self._children[child.name]
                (self._run / f"{child.name}.json").unlink(missing_ok=True)


def run_here(name: str, command: Command) -> tuple[int, str]:  # noqa: ARG001 a Run
    """Runs a command in this process group, so that Ctrl+C ends it, too."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout.strip()


def stop_leftovers(run: Path) -> list[str]:
    """Ends the processes in the notes of a localaws that could not end them itself; returns their names.

    A process must have started at the time in its note, because the system reuses process ids. If a note is damaged,
    Linux finds its process by the environment.
    """
    stopped = []
    for note_file in sorted(file for file in run.glob("*.json") if file.is_file()):
        for pid, started in _noted(note_file):
            if started is not None and _start_time(pid) == started:
                _end_group(pid, patience=5)
                stopped.append(note_file.stem)
        note_file.unlink(missing_ok=True)
    return stopped


def _write_note(file: Path, note: dict[str, Any]) -> None:
    """Writes a note atomically: localaws may be killed at any time."""
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps(note))
    draft.replace(file)


def _noted(note_file: Path) -> list[tuple[int, str | None]]:
    """Process ids and start times of a note."""
    try:
        note = json.loads(note_file.read_text())
        return [(int(note["pid"]), note["started"])]
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        marked = f"{NAME_VARIABLE}={note_file.resolve()}".encode()
        return [(pid, _start_time(pid)) for pid in _leaders() if marked in _environment(pid)]


def _leaders() -> list[int]:
    """Processes that lead a group, on Linux."""
    return [int(process.name) for process in PROC.glob("[0-9]*") if _stat(process)[2:3] == [process.name]]


def _environment(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # The process belongs to another user or has ended.
        return []


def lives(pid: int) -> bool:
    """Whether a process with this id exists."""
    return _start_time(pid) is not None


def _start_time(pid: int) -> str | None:
    """The start time of a process, as text that distinguishes two processes with one id; None if it has ended."""
    if _has_proc():
        stat = _stat(PROC / str(pid))
        return stat[19] if stat else None
    return _ps("-o", "lstart=", "-p", str(pid)).strip() or None


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _group_lives(pid: int) -> bool:
    """Whether a member of the group still runs. Zombies do not count: some containers reap no orphans."""
    if _has_proc():
        members = [(stat[2], stat[0]) for stat in map(_stat, PROC.glob("[0-9]*")) if stat]
    else:
        members = [(group, state) for group, state in map(str.split, _ps("-A", "-o", "pgid=,stat=").splitlines())]
    return any(group == str(pid) and not state.startswith("Z") for group, state in members)


def _has_proc() -> bool:
    """Whether the system has /proc. Other systems need `ps`, which slim images lack."""
    return (PROC / "self/stat").exists()


def _stat(process: Path) -> list[str]:
    """State, parent, group and the following fields of proc(5) after the program's name; empty if it has ended."""
    try:
        return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _ps(*arguments: str) -> str:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, check=False).stdout


def _end_group(pid: int, patience: float, process: subprocess.Popen[bytes] | None = None) -> None:
    # A killed process with much memory takes a moment to end.
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, _KILL_SECONDS)):
        _signal_group(pid, number)
        deadline = time.monotonic() + seconds
        while (lives := _group_lives(pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not lives:
            break
    if process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
