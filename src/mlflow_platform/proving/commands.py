"""Runs the commands of a proof: each in a process group of its own, with a time limit, and its output in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlflow_common.errors import PlatformError
from mlflow_common.waiting import Progress

# The time to end after SIGINT. Terraform needs more while it changes something: it must not be killed before it has
# written its state, or what it created would be lost.
GRACE_MINUTES, TERRAFORM_GRACE_MINUTES = 2.0, 15.0
# The time to end after SIGTERM.
LAST_MINUTES = 0.5
_SHOWN = 400


def _silent(_: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Runner:
    """Runs commands in a folder with an environment; `logs` is the folder for what they print.

    `progress` gets a message when a command is interrupted.
    """

    folder: Path
    environ: Mapping[str, str]
    logs: Path
    progress: Progress = _silent

    def run(
        self, name: str, command: Sequence[str], *, minutes: float, grace: float = GRACE_MINUTES, **more: str
    ) -> str:
        """Run a command and return its standard output. `more` are additional variables.

        The command does not receive the terminal's Ctrl-C itself. If this process is interrupted, the command gets
        SIGINT once and `grace` minutes to end. More signals do not shorten that time.

        Raises:
            PlatformError: it failed, or did not end within that many minutes.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        out, log = self.logs / f"{name}.out", self.logs / f"{name}.log"
        with out.open("wb") as output, log.open("wb") as errors:
            process = subprocess.Popen(
                list(command),
                cwd=self.folder,
                env={**self.environ, **more},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
                # What a shell starts in the background ignores SIGINT, and so would the command.
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            )
            try:
                status = process.wait(minutes * 60)
            except subprocess.TimeoutExpired:
                self._end(name, process, grace)
                raise PlatformError(f"{name} did not end within {minutes:g} minutes. Its output: {log}") from None
            except BaseException:
                self._end(name, process, grace)
                raise
        text = out.read_text(errors="replace")
        if status:
            raise PlatformError(f"{name} ended with status {status}: {_reason(log, text)} (its output: {log})")
        return text

    def _end(self, name: str, process: subprocess.Popen[bytes], grace: float) -> None:
        """Interrupt a command and everything that it started, and wait; after the grace time, kill it."""
        self.progress(f"waiting until {name} has ended")
        for sent, minutes in ((signal.SIGINT, grace), (signal.SIGTERM, LAST_MINUTES)):
            _send(process, sent)
            if _ended(process, minutes * 60):
                return
        _send(process, signal.SIGKILL)
        process.wait()


def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait until a command has ended, or for that many seconds, even if this process is interrupted again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        except KeyboardInterrupt:
            # The removal must not begin while Terraform still applies.
            continue
        return True


def _send(process: subprocess.Popen[bytes], sent: signal.Signals) -> None:
    try:
        os.killpg(process.pid, sent)
    except ProcessLookupError:
        return


def _reason(log: Path, text: str) -> str:
    """The last error that a command printed, or the end of its output."""
    lines = [line for line in (*text.splitlines(), *log.read_text(errors="replace").splitlines()) if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it printed nothing"])[-1].strip()[:_SHOWN]


def python(script: str, *arguments: str) -> list[str]:
    """The command line of a script of this repository."""
    return [sys.executable, f"scripts/{script}.py", *arguments]
