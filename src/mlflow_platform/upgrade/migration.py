"""Copies and compares the two tracking servers of an upgrade, and remembers the outcome of comparisons."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from mlflow_common.errors import PlatformError, PreconditionError

if TYPE_CHECKING:
    from mlflow_transfer.client import Client
    from mlflow_transfer.options import Options
    from mlflow_transfer.sources.rest import RestSource

_OPTION = "ARGS=--accept-losses"


class ProgressDisplay(Protocol):
    """Shows the progress of one copy or comparison. It is entered and left once."""

    def __enter__(self) -> Any: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def watch(self, client: Client) -> None:
        """Also show this client's calls."""

    def total(self, what: str, amount: int) -> None:
        """Add to the amount of work of a kind."""

    def advance(self, what: str, amount: int = 1) -> None:
        """Add to the work of a kind that is done."""


@dataclass(frozen=True)
class Verification:
    """The outcome of a comparison of two servers.

    Args:
        contents: the digest of everything that the source listed before the comparison began.
        report: the path of the HTML report.
        open: the number of differences in runs that are still logged to.
        unread: the number of things that could not be read and so were not compared.
    """

    source: str
    destination: str
    passed: bool
    when: str
    contents: str
    report: str
    differences: int = 0
    open: int = 0
    unread: int = 0

    @property
    def enough(self) -> bool:
        """Whether nothing differs but what was logged during the comparison."""
        return self.passed or 0 < self.differences == self.open


class Migrator:
    """Copies and compares tracking servers, which are named by their ARNs.

    Args:
        memory: the folder of checkpoints and reports.
        display: makes an object that shows the progress.
        trusted: returns artifact locations to read and write beside the servers' own stores. It is asked for each
            copy, because an upgrade changes the environment.
    """

    def __init__(
        self,
        memory: Path,
        environ: Mapping[str, str],
        display: Callable[[], ProgressDisplay],
        trusted: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._memory = memory
        self._environ = environ
        self._display = display
        self._trusted = trusted
        self._copied = _now()

    def copy(
        self,
        source: str,
        destination: str,
        *,
        accept_losses: bool = False,
        thorough: bool = False,
        in_use: bool = False,
    ) -> list[str]:
        """Copy what is new or changed, also deleted runs.

        Args:
            thorough: also compare the metric points of runs that look unchanged.
            in_use: people work with the destination, so only add what it lacks.

        Returns:
            What the destination does not hold.

        Raises:
            PreconditionError: something would be lost and the losses were not accepted, or the source is a copy of the
                destination.
            PlatformError: the copy could not be finished. The next one continues from there.
        """
        options = _options(thorough=thorough, in_use=in_use)
        return asyncio.run(self._copy(source, destination, options, accept_losses=accept_losses))

    def verify(
        self, source: str, destination: str, *, accept_losses: bool = False, in_use: bool = False
    ) -> Verification:
        """Compare everything of the source with the destination, write the report, and remember the outcome.

        Args:
            accept_losses: things that cannot be read do not fail the comparison.
            in_use: people work with the destination: what they added and changed does not count as a difference.
        """
        return asyncio.run(self._verify(source, destination, _options(in_use=in_use), accept_losses=accept_losses))

    def contents(self, server: str) -> str:
        """A digest of everything that a server lists. It changes when something is logged, changed or deleted."""
        from mlflow_platform.upgrade.server_contents import contents_of

        async def go() -> str:
            with self._display() as display:
                async with self._open(server, display) as reader:
                    return await contents_of(reader)

        return asyncio.run(go())

    def verification(self, source: str, destination: str) -> Verification | None:
        """The last comparison of these two servers, if it passed."""
        try:
            found = Verification(**json.loads((self._folder(source, destination) / "verification.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        same = (found.source, found.destination) == (source, destination)
        return found if same and found.passed else None

    async def _copy(self, source: str, destination: str, options: Options, *, accept_losses: bool) -> list[str]:
        from mlflow_platform.upgrade.server_contents import is_copy_of
        from mlflow_transfer import service
        from mlflow_transfer.losses import loss_lines

        self._copied = _now()
        with self._display() as display:
            async with self._open(source, display) as reader, self._open(destination, display) as target:
                if await is_copy_of(reader, target):
                    raise PreconditionError(
                        f"{reader.name} was itself copied from {target.name}, so copying back would double every run: "
                        "run `make upgrade` with BACK=1, which only makes that one the active server again"
                    )
                outcome = await service.copy(
                    reader,
                    target,
                    options,
                    checkpoint=self._folder(source, destination) / "checkpoint.sqlite",
                    progress=display,
                    agreement=service.Agreement(accept_losses, _OPTION),
                )
        if outcome.refused:
            raise PlatformError(
                f"{target.name} does not hold everything of {reader.name}: give {_OPTION} to go on without",
                loss_lines(outcome.refused),
            )
        return loss_lines(outcome.summary.losses) if outcome.summary else []

    async def _verify(self, source: str, destination: str, options: Options, *, accept_losses: bool) -> Verification:
        from mlflow_platform.upgrade.server_contents import contents_of, still_logged
        from mlflow_transfer import reporting, service

        folder = self._folder(source, destination)
        with self._display() as display:
            async with self._open(source, display) as reader, self._open(destination, display) as target:
                contents = await contents_of(reader)
                report = await service.verify(reader, target, options, progress=display, accept_losses=accept_losses)
                still = await still_logged(reader, report, self._copied)
        when = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        page = reporting.write(report, folder, when)[1]
        differences, unread = report.found.total(), len(report.unread)
        found = Verification(source, destination, report.passed, when, contents, str(page), differences, still, unread)
        try:
            (folder / "verification.json").write_text(json.dumps(asdict(found), indent=1) + "\n")
        except OSError as error:
            raise PlatformError(f"the verification cannot be written into {folder} ({error.strerror})") from None
        return found

    @asynccontextmanager
    async def _open(self, server: str, display: ProgressDisplay) -> AsyncIterator[RestSource]:
        from mlflow_transfer.connections import ConnectionFactory

        reader = await ConnectionFactory(self._environ, trusted=self._trusted()).server(server)
        display.watch(reader.client)
        try:
            yield reader
        finally:
            await reader.close()

    def _folder(self, source: str, destination: str) -> Path:
        return self._memory / f"{_name(source)}-to-{_name(destination)}"


def _options(*, thorough: bool = False, in_use: bool = False) -> Options:
    from mlflow_transfer.options import Options
    from mlflow_transfer.strategy import AddOnly, Mirror

    return Options(include_deleted=True, thorough=thorough, strategy=AddOnly() if in_use else Mirror())


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _name(location: str) -> str:
    """The last part of an ARN or of an address: names the folder of this copy."""
    return location.rpartition("/")[2]
