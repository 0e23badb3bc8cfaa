"""Copy, back up, restore and compare what MLflow tracking servers hold, with nothing lost and nothing twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, get_type_hints

import typer

from mlflow_common.console import Debug, Json, Local, make_app, run
from mlflow_common.errors import NOT_READY, InputError, PlatformError, PreconditionError

if TYPE_CHECKING:
    from mlflow_transfer.archive import Archive
    from mlflow_transfer.copying import Copying
    from mlflow_transfer.location import Access, Places
    from mlflow_transfer.options import Options
    from mlflow_transfer.planning import Plan
    from mlflow_transfer.progress_bars import Bars
    from mlflow_transfer.rest_source import RestSource
    from mlflow_transfer.source import Source
    from mlflow_transfer.verifying import Report

CACHE = Path(".cache/transfer")
SHOWN = 20
_CONTEXT, _ENVIRONMENTS = "context", "environments"

app = make_app()

PLACE = "a tracking server's or App's ARN, env:NAME, an http(s) URL"
Src = Annotated[
    str, typer.Argument(metavar="SRC", help=f"Where from: {PLACE}, a file store folder, or a database URL.")
]
Dst = Annotated[str, typer.Argument(metavar="DST", help=f"Where to: {PLACE}.")]
ArchiveArgument = Annotated[str, typer.Argument(metavar="ARCHIVE", help="A folder or an S3 prefix (s3://…).")]
Side = Annotated[str, typer.Argument(metavar="PLACE", help=f"{PLACE}, a file store, a database URL, or an archive.")]
Deleted = Annotated[bool, typer.Option("--include-deleted", help="Deleted runs too.")]
Experiments = Annotated[
    list[str] | None, typer.Option("--experiment", metavar="NAME", help="Only this experiment; give it again for more.")
]
NoArtifacts = Annotated[bool, typer.Option("--no-artifacts", help="Leave the files where they are.")]
Losses = Annotated[bool, typer.Option("--accept-losses", help="Go on although the destination cannot hold everything.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show the plan: counts, bytes, calls, time, losses.")]
CheckpointFile = Annotated[
    Path | None, typer.Option("--checkpoint", metavar="FILE", help="Where to keep what is done; by default in .cache.")
]
Limit = Annotated[
    float | None, typer.Option("--rate", metavar="N", help="Calls a second, in place of the server size's limit.")
]
Thorough = Annotated[
    bool, typer.Option("--thorough", help="Compare the metric points of runs that look unchanged, too.")
]
Threads = Annotated[int, typer.Option("--threads", min=1, max=64, help="Files moved at once.")]
Patience = Annotated[
    float, typer.Option("--patience", metavar="SECONDS", help="How long a server may stay away before this gives up.")
]
Ca = Annotated[Path | None, typer.Option("--ca", metavar="FILE", help="Certificates to trust, too, of https servers.")]
ClientCert = Annotated[
    Path | None, typer.Option("--client-cert", metavar="FILE", help="The certificate to show https servers (PEM).")
]
ClientKey = Annotated[
    Path | None, typer.Option("--client-key", metavar="FILE", help="Its key, where that is a file of its own.")
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Take any certificate of an https server.")]
ArtifactRoot = Annotated[
    str | None,
    typer.Option("--artifact-root", metavar="URI", help="Where a database's or file store's server keeps artifacts."),
]
Snapshot = Annotated[
    str | None, typer.Option("--snapshot", metavar="TIME", help="The backup to read; by default the newest.")
]
ReportFolder = Annotated[
    Path, typer.Option("--report", metavar="FOLDER", help="Where report.json and report.html are written.")
]


class Environments(Protocol):
    """What `env:NAME` and `--local` need; the caller of `app` passes one as the context's object."""

    def tracking_uri(self, name: str, *, local: bool) -> str:
        """The ARN of the environment's active tracking server."""

    def use_localaws(self) -> None:
        """Point this process's AWS clients at localaws."""


@dataclass(frozen=True)
class Reach:
    """How servers are reached, and how the result is told."""

    rate: Limit = None
    patience: Patience = 300.0
    ca: Ca = None
    client_cert: ClientCert = None
    client_key: ClientKey = None
    insecure: Insecure = False
    local: Local = False
    as_json: Json = False
    # Read from the command line by `run`.
    debug: Debug = False
    # From the context, not from the command line.
    environments: Environments | None = None


@dataclass(frozen=True)
class ShortReach(Reach):
    """The same, for who only wants to look."""

    patience: Patience = 30.0


@dataclass(frozen=True)
class What:
    """What of a place is moved or compared."""

    experiment: Experiments = None
    no_artifacts: NoArtifacts = False
    threads: Threads = 8

    def options(self, *, include_deleted: bool = True, thorough: bool = False) -> Options:
        """The same, as the work takes it."""
        from mlflow_transfer.options import Options

        wanted = frozenset(self.experiment or ())
        return Options(include_deleted, not self.no_artifacts, self.threads, wanted, thorough)


@dataclass(frozen=True)
class Into:
    """How a server is written to."""

    accept_losses: Losses = False
    dry_run: DryRun = False
    checkpoint: CheckpointFile = None
    thorough: Thorough = False


def command(verb: Callable[..., None]) -> Callable[..., None]:
    """Make a command of a verb: each field of a parameter that is a group of options becomes an option of its own."""
    hints = get_type_hints(verb, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    plain = signature(verb).parameters.values()
    parameters = [one.replace(annotation=hints[one.name]) for one in plain if one.name not in groups]
    for group in groups.values():
        types = get_type_hints(group, include_extras=True)
        parameters += [
            Parameter(one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=types[one.name])
            for one in fields(group)
            if one.name != _ENVIRONMENTS
        ]
    parameters.insert(0, Parameter(_CONTEXT, Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context))

    @wraps(verb)
    def spread(**given: Any) -> None:
        given[_ENVIRONMENTS] = given.pop(_CONTEXT).obj
        for name, group in groups.items():
            given[name] = group(**{one.name: given.pop(one.name) for one in fields(group)})
        verb(**given)

    # What Typer looks at.
    spread.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    spread.__annotations__ = {one.name: one.annotation for one in parameters}
    return app.command()(spread)


class Work:
    """What every command needs: places, options, and someone who shows the progress."""

    def __init__(self, reach: Reach) -> None:
        from mlflow_common.retry import Retry
        from mlflow_transfer.location import Places
        from mlflow_transfer.progress_bars import Bars

        self._reach = reach
        self._environments = reach.environments
        if reach.local:
            self._known_environments().use_localaws()
        self.places: Places = Places(os.environ, retry=Retry(reach.patience))
        self.bars: Bars = Bars()

    def access(self, side: str) -> Access:
        """How to get into the server of a side."""
        from mlflow_transfer.location import Access

        reach = self._reach
        return Access.of(
            side,
            os.environ,
            ca=reach.ca,
            client_cert=reach.client_cert,
            client_key=reach.client_key,
            insecure=reach.insecure,
            limit=reach.rate,
        )

    def named(self, text: str) -> str:
        """The place that a text means: env:NAME is that environment's tracking server."""
        if not text.startswith("env:"):
            return text
        return self._known_environments().tracking_uri(text.removeprefix("env:"), local=self._reach.local)

    def _known_environments(self) -> Environments:
        if self._environments is None:
            raise InputError("env:NAME and --local need the repository: run scripts/transfer.py there")
        return self._environments

    async def server(self, text: str, side: str = "DESTINATION") -> RestSource:
        """The tracking server that a text means."""
        found = await self.places.server(self.named(text), self.access(side))
        self.bars.watch(found.client)
        return found

    async def source(
        self, text: str, root: str | None = None, snapshot: str | None = None, side: str = "SOURCE"
    ) -> Any:
        """The source that a text means."""
        from mlflow_transfer import location
        from mlflow_transfer.stores import local_path

        text = self.named(text)
        if location.is_server(text):
            return await self.server(text, side)
        stores = self.places.rooted(root)
        if location.is_database(text):
            from mlflow_transfer.database_source import DatabaseSource

            return DatabaseSource(text, stores)
        folder = local_path(text)
        if folder is not None and location.is_file_store(folder):
            from mlflow_transfer.filestore_source import FileStoreSource

            return FileStoreSource(folder, stores)
        from mlflow_transfer.archive_source import ArchiveSource

        archive = self.archive(text)
        if folder is not None and not folder.is_dir():
            raise InputError(f"{text} is no server, no database, and no folder that exists")
        return ArchiveSource(archive, snapshot)

    def archive(self, text: str) -> Archive:
        """The archive that a text means."""
        from mlflow_transfer.archive import Archive, as_archive_store

        return Archive(as_archive_store(self.places.store(text)))

    def show(self, values: dict[str, Any]) -> None:
        """Print a result: one JSON object, or names and values."""
        self.bars.stop()
        if self._reach.as_json:
            typer.echo(json.dumps(values, ensure_ascii=False))
            return
        for name, value in values.items():
            if isinstance(value, dict):
                text = ", ".join(f"{count:,} {what}" for what, count in value.items()) or "nothing"
            elif isinstance(value, list):
                text = "".join(f"\n  {one}" for one in value) if value else "nothing"
            else:
                text = "unknown" if value is None else str(value)
            typer.echo(f"{name.replace('_', ' ')}: {text}")


@command
def copy(
    source: Src,
    destination: Dst,
    *,
    include_deleted: Deleted = False,
    artifact_root: ArtifactRoot = None,
    what: What,
    into: Into,
    reach: Reach,
) -> None:
    """Copy everything that is new or changed. May be stopped anywhere and run again.

    Passwords come from TRANSFER_SOURCE_USERNAME, _PASSWORD, _TOKEN and TRANSFER_DESTINATION_….
    """

    async def go(work: Work) -> None:
        origin = await work.source(source, artifact_root)
        options = what.options(include_deleted=include_deleted, thorough=into.thorough)
        await _copy(work, origin, destination, options, into, as_json=reach.as_json)

    _run(Work(reach), go)


@command
def restore(
    archive: ArchiveArgument, destination: Dst, *, snapshot: Snapshot = None, what: What, into: Into, reach: Reach
) -> None:
    """Restore a backup into a server, once every file of it has the checksum that it should have."""

    async def go(work: Work) -> None:
        from mlflow_transfer.archive_source import ArchiveSource

        source = ArchiveSource(work.archive(archive), snapshot)
        await source.check(lambda size: work.bars.advance("bytes checked", size))
        options = what.options(thorough=into.thorough)
        await _copy(work, source, destination, options, into, as_json=reach.as_json)

    _run(Work(reach), go)


@command
def backup(
    source: Src,
    archive: ArchiveArgument,
    *,
    keep: Annotated[int | None, typer.Option("--keep", min=1, help="Then keep only so many newest backups.")] = None,
    artifact_root: ArtifactRoot = None,
    thorough: Thorough = False,
    what: What,
    reach: Reach,
) -> None:
    """Back everything up into an archive, deleted runs too; what it holds already is not written again."""

    async def go(work: Work) -> None:
        from mlflow_transfer.backing_up import BackingUp

        origin: Source = await work.source(source, artifact_root)
        place = work.archive(archive)
        taken = f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
        options = what.options(thorough=thorough)
        made = await BackingUp(origin, place, taken, options, work.bars, work.places.retry).run()
        deleted = place.prune(keep) if keep else 0
        await origin.close()
        work.show({"snapshot": made.taken, "holds": made.counts, "files_deleted": deleted})

    _run(Work(reach), go)


@command
def verify(
    left: Side,
    right: Side,
    *,
    report: ReportFolder = CACHE / "report",
    include_deleted: Deleted = False,
    sizes_only: Annotated[bool, typer.Option("--sizes-only", help="Don't read artifacts for their checksums.")] = False,
    by_name: Annotated[
        bool, typer.Option("--by-name", help="Match runs by experiment and name: for copies made by other tools.")
    ] = False,
    snapshot: Snapshot = None,
    artifact_root: ArtifactRoot = None,
    what: What,
    reach: Reach,
) -> None:
    """Compare everything that LEFT holds with RIGHT: counts and contents. Exit status 1 if anything differs."""
    found: list[Report] = []

    async def go(work: Work) -> None:
        from mlflow_transfer import reporting
        from mlflow_transfer.verifying import Match, Verifying

        one = await work.source(left, artifact_root, snapshot)
        other = await work.source(right, artifact_root, snapshot, "DESTINATION")
        match = Match(by_name=by_name, contents=not sizes_only)
        options = what.options(include_deleted=include_deleted)
        result = await Verifying(one, other, options, match, work.bars).run()
        when = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        paths = await asyncio.to_thread(reporting.write, result, report, when)
        await one.close()
        await other.close()
        found.append(result)
        shown = [f"{d.place}: {d.what}: {d.left} / {d.right}" for d in result.differences[:SHOWN]]
        values = {"passed": result.passed, "compared": dict(result.compared), "differences": dict(result.found)}
        if reach.as_json:
            values = reporting.as_json(result, when)
        elif shown:
            values["places"] = shown
        work.show({**values, "report": str(paths[1])})

    _run(Work(reach), go)
    if not found[0].passed:
        raise typer.Exit(1)


@command
def inspect(place: Side, *, snapshot: Snapshot = None, artifact_root: ArtifactRoot = None, reach: ShortReach) -> None:
    """Say what a server, database, file store or archive holds."""

    async def go(work: Work) -> None:
        from mlflow_transfer.inspecting import inspect as look

        source: Source = await work.source(place, artifact_root, snapshot)
        work.show({"place": source.name, **await look(source)})
        await source.close()

    _run(Work(reach), go)


async def _copy(work: Work, source: Source, destination: str, options: Options, into: Into, *, as_json: bool) -> None:
    from mlflow_transfer.checkpoint import Checkpoint
    from mlflow_transfer.copying import Copying
    from mlflow_transfer.destination import Destination
    from mlflow_transfer.planning import plan

    reader = await work.server(destination)
    if reader.identity == source.identity:
        raise InputError("source and destination are the same server")
    place = into.checkpoint or CACHE / f"{_name(source.identity, reader.identity)}.sqlite"
    memory = Checkpoint(None if into.dry_run else place)
    copying = Copying(source, Destination(reader), memory, options, work.bars)
    try:
        made = await plan(copying, sizes=into.dry_run)
        if made.blocked:
            raise PreconditionError(made.blocked[0], made.blocked[1:])
        if into.dry_run:
            work.show(_shown(made))
            return
        if made.losses and not into.accept_losses:
            lines = [f"{loss.place}: {loss.reason}" for loss in made.losses[:SHOWN]]
            more = f"the destination cannot hold {len(made.losses)} things: give --accept-losses to go on without them"
            raise _LossyError(more, lines)
        summary = await copying.run()
        work.show(
            {
                "created": summary.created,
                "changed": summary.changed,
                "unchanged": summary.unchanged,
                "losses": [asdict(loss) for loss in summary.losses] if as_json else len(summary.losses),
                **_traffic(copying),
            }
        )
    finally:
        memory.close()
        await source.close()
        await reader.close()


class _LossyError(PlatformError):
    status = NOT_READY


def _shown(made: Plan) -> dict[str, Any]:
    return {
        "to_move": dict(made.counts),
        "unchanged": dict(made.unchanged),
        "metric_points": made.points,
        "files": made.files,
        "bytes": made.bytes,
        "source_calls": made.source_calls,
        "destination_calls": made.destination_calls,
        "seconds_at_least": None if made.seconds is None else round(made.seconds),
        "losses": [f"{loss.place}: {loss.reason}" for loss in made.losses],
    }


def _traffic(copying: Copying) -> dict[str, Any]:
    calls = copying.destination.client.calls
    client = getattr(copying.source, "client", None)
    return {
        "source_calls": client.calls.total if client else 0,
        "destination_calls": calls.total,
        "destination_writes": calls.writes,
    }


def _name(*identities: str) -> str:
    return hashlib.sha256("\n".join(identities).encode()).hexdigest()[:16]


def _run(work: Work, go: Callable[[Work], Awaitable[None]]) -> None:
    async def whole() -> None:
        with work.bars:
            await go(work)

    asyncio.run(whole())


def main() -> None:
    """The console entry point `mlflow-transfer`, which knows no environments."""
    run(app)
