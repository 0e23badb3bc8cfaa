"""Shows the progress of a transfer on standard error: bars in a terminal, and a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

import typer

from mlflow_transfer.client import Client
from mlflow_transfer.progress import Tally

_SHOWN = ("experiments", "models", "runs", "traces", "versions", "bytes", "bytes checked")
_LINE_EVERY = 10.0  # seconds
_REDRAW_EVERY = 0.2


class Bars(Tally):
    """Counts the work and shows the counts. Use it in a `with` statement."""

    def __init__(self) -> None:
        super().__init__()
        self._clients: list[Client] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._started = time.monotonic()

    def watch(self, client: Client) -> None:
        """Also show the number and the rate of this client's calls."""
        self._clients.append(client)

    def __enter__(self) -> Bars:
        show = self._draw if sys.stderr.isatty() else self._print_lines
        self._thread = threading.Thread(target=show, name="progress", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop showing the progress."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _print_lines(self) -> None:
        while not self._ended.wait(_LINE_EVERY):
            done = ", ".join(f"{self.done[what]:,} of {self.totals[what]:,} {what}" for what in self._present())
            typer.echo(f"{time.monotonic() - self._started:.0f} s: {done}; {self._calls()}", err=True)

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            calls = bars.add_task("", total=None)
            tasks = {}
            while not self._ended.wait(_REDRAW_EVERY):
                for what in self._present():
                    if what not in tasks:
                        tasks[what] = bars.add_task(what)
                    bars.update(tasks[what], completed=self.done[what], total=self.totals[what] or None)
                bars.update(calls, description=self._calls())

    def _present(self) -> list[str]:
        return [what for what in _SHOWN if self.totals[what] or self.done[what]]

    def _calls(self) -> str:
        seconds = max(0.001, time.monotonic() - self._started)
        return ", ".join(
            f"{client.name}: {client.calls.total:,} calls ({client.calls.total / seconds:.1f}/s)"
            for client in self._clients
        )
