"""What an upgrade moves from one tracking server to the other, and how it knows that nothing is missing."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from mlflow_common.errors import PlatformError, PreconditionError

if TYPE_CHECKING:
    from mlflow_transfer.client import Client
    from mlflow_transfer.losses import Loss
    from mlflow_transfer.options import Options
    from mlflow_transfer.rest_source import RestSource
    from mlflow_transfer.source import Source
    from mlflow_transfer.stores import Store

_SHOWN = 20
_LOOKED_UP = 20
_SEARCHED_AT_ONCE = 100


class Watcher(Protocol):
    """Who shows the progress. Entered and left once."""

    def __enter__(self) -> Any: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def watch(self, client: Client) -> None:
        """Also show this client's calls."""

    def total(self, what: str, amount: int) -> None:
        """So much of this is known to have to be done."""

    def advance(self, what: str, amount: int = 1) -> None:
        """So much more of this is done."""


@dataclass(frozen=True)
class Verification:
    """A comparison of two servers, as it is remembered.

    Args:
        contents: the digest of everything that the source listed before the comparison began.
        report: the page that shows it.
        open: how many of the differences are in runs that are still logged to.
    """

    source: str
    destination: str
    passed: bool
    when: str
    contents: str
    report: str
    differences: int = 0
    open: int = 0

    @property
    def enough(self) -> bool:
        """Whether nothing differs but what was logged while it was compared."""
        return self.passed or self.differences == self.open


class Mover:
    """Copies and compares tracking servers, named by their ARNs.

    Args:
        memory: the folder of checkpoints and reports.
        watcher: makes someone who shows the progress.
    """

    def __init__(self, memory: Path, environ: Mapping[str, str], watcher: Callable[[], Watcher]) -> None:
        self._memory = memory
        self._environ = environ
        self._watcher = watcher
        self._copied = _now()

    def copy(
        self,
        source: str,
        destination: str,
        *,
        accept_losses: bool = False,
        thorough: bool = False,
        additive: bool = False,
    ) -> list[str]:
        """Copy what is new or changed, deleted runs too.

        Args:
            thorough: also compare the metric points of runs that look unchanged.
            additive: people work with the destination by now: only add to it what it lacks.

        Returns:
            What the destination does not hold.

        Raises:
            PreconditionError: the destination cannot hold everything and nobody accepted that, or the source is a copy
                of the destination itself.
            PlatformError: it could not be finished; the next copy goes on from there.
        """
        options = _everything(thorough=thorough, additive=additive)
        return asyncio.run(self._copy(source, destination, options, accept_losses=accept_losses))

    def verify(self, source: str, destination: str, *, additive: bool = False) -> Verification:
        """Compare everything of the source with the destination, write the report, and remember the outcome.

        Args:
            additive: people work with the destination by now: what they added and changed is no difference.
        """
        return asyncio.run(self._verify(source, destination, _everything(additive=additive)))

    def contents(self, server: str) -> str:
        """A digest of all that a server lists: it changes when something is logged, changed or deleted there."""

        async def go() -> str:
            with self._watcher() as watcher:
                async with self._open(server, watcher) as reader:
                    return await contents_of(reader)

        return asyncio.run(go())

    def verification(self, source: str, destination: str) -> Verification | None:
        """The last comparison of these two servers that passed."""
        try:
            found = Verification(**json.loads((self._folder(source, destination) / "verification.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        same = (found.source, found.destination) == (source, destination)
        return found if same and found.passed else None

    async def _copy(self, source: str, destination: str, options: Options, *, accept_losses: bool) -> list[str]:
        from mlflow_transfer.checkpoint import Checkpoint
        from mlflow_transfer.copying import Copying
        from mlflow_transfer.destination import Destination
        from mlflow_transfer.planning import plan

        self._copied = _now()
        checkpoint = Checkpoint(self._folder(source, destination) / "checkpoint.sqlite")
        try:
            with self._watcher() as watcher:
                async with self._open(source, watcher) as reader, self._open(destination, watcher) as target:
                    if await is_copy_of(reader, target):
                        raise PreconditionError(
                            f"{reader.name} was itself copied from {target.name}, so copying back would double every "
                            "run: `make upgrade` with BACK=1 only makes that one the active server again"
                        )
                    copying = Copying(reader, Destination(target), checkpoint, options, watcher)
                    made = await plan(copying, sizes=False)
                    if made.blocked:
                        raise PreconditionError(made.blocked[0], made.blocked[1:])
                    if made.losses and not accept_losses:
                        raise PreconditionError(
                            f"{target.name} cannot hold {len(made.losses)} things: give ARGS=--accept-losses to go on "
                            "without them",
                            _told(made.losses),
                        )
                    summary = await copying.run()
        finally:
            checkpoint.close()
        return _told(summary.losses)

    async def _verify(self, source: str, destination: str, options: Options) -> Verification:
        from mlflow_platform.upgrade.comparison import ComparingInUse, still_logged
        from mlflow_transfer import reporting
        from mlflow_transfer.verifying import Verifying

        folder = self._folder(source, destination)
        with self._watcher() as watcher:
            async with self._open(source, watcher) as reader, self._open(destination, watcher) as target:
                contents = await contents_of(reader)
                if options.additive:
                    report = await ComparingInUse(reader, target, options, watcher).run()
                else:
                    report = await Verifying(reader, target, options, progress=watcher).run()
                still = await still_logged(reader, report, self._copied)
        when = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        page = reporting.write(report, folder, when)[1]
        differences = report.found.total()
        found = Verification(source, destination, report.passed, when, contents, str(page), differences, still)
        try:
            (folder / "verification.json").write_text(json.dumps(asdict(found), indent=1) + "\n")
        except OSError as error:
            raise PlatformError(f"the verification cannot be written into {folder} ({error.strerror})") from None
        return found

    @asynccontextmanager
    async def _open(self, server: str, watcher: Watcher) -> AsyncIterator[RestSource]:
        from mlflow_transfer.location import Places

        reader = await Places(self._environ).server(server)
        watcher.watch(reader.client)
        try:
            yield reader
        finally:
            await reader.close()

    def _folder(self, source: str, destination: str) -> Path:
        return self._memory / f"{_name(source)}-to-{_name(destination)}"


async def contents_of(source: Source) -> str:
    """A digest of everything that a source lists, in whatever order it lists what is equally old, and of its files.

    Of the files in S3 it tells that one came, went or changed; those behind a server would cost a call a folder. Points
    that were logged late show in no listing.
    """
    from mlflow_transfer.artifacts import can_list_in_bulk, owned
    from mlflow_transfer.records import fingerprint, to_json

    total = 0

    def add(*content: Any) -> None:
        nonlocal total
        text = json.dumps(content, sort_keys=True, default=str)
        total += int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())

    def add_files(store: Store, owners: set[str]) -> None:
        # Both servers' experiments may share a folder: they count their ids alike.
        for folder, item in owned(store.list()):
            if folder.split("/")[-2] in owners:
                add("file", folder, item.path, item.size, item.tag)

    async for experiment in source.experiments():
        owners: set[str] = set()
        add("experiment", to_json(experiment))
        async for runs in source.runs(experiment.id):
            for run in runs:
                add("run", run.id, fingerprint(run))
                owners.add(run.id)
        async for models in source.logged_models(experiment.id):
            for model in models:
                add("logged model", to_json(model))
                owners.add(model.id)
        async for traces in source.traces(experiment.id):
            for trace in traces:
                add("trace", to_json(trace))
                owners.add(trace.id)
        store = source.store(experiment.artifact_location)
        if can_list_in_bulk(store):
            await asyncio.to_thread(add_files, store, owners)
    for registered in await source.registered_models():
        add("registered model", to_json(registered))
    return f"{total % 2**256:064x}"


async def is_copy_of(source: RestSource, destination: RestSource) -> bool:
    """Whether the source's runs were copied out of the destination."""
    from mlflow_transfer.records import SOURCE_ID

    ids = [experiment.id async for experiment in source.experiments()]
    origins: list[str] = []
    for start in range(0, len(ids), _SEARCHED_AT_ONCE):
        async for run in source.tagged_runs(ids[start : start + _SEARCHED_AT_ONCE], SOURCE_ID):
            origins.append(run.tags[SOURCE_ID])
            if len(origins) >= _LOOKED_UP:
                break
    return bool(await destination.runs_by_id(origins))


def _everything(*, thorough: bool = False, additive: bool = False) -> Options:
    from mlflow_transfer.options import Options

    return Options(include_deleted=True, thorough=thorough, additive=additive)


def _told(losses: list[Loss]) -> list[str]:
    return [f"{loss.place}: {loss.reason}" for loss in losses[:_SHOWN]]


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]
