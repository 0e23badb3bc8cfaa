"""Copies, backs up, restores and compares the contents of MLflow tracking servers. Nothing is lost or copied twice."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from mlflow_common.console import fail, make_app, run
from mlflow_transfer.cli_options import (
    CACHE,
    AcceptLosses,
    ArchiveArgument,
    ArtifactRoot,
    ByName,
    Deleted,
    Dst,
    Into,
    Keep,
    Reach,
    ReportFolder,
    ShortReach,
    Side,
    SizesOnly,
    Snapshot,
    Src,
    Thorough,
    What,
    command,
)
from mlflow_transfer.session import Session

if TYPE_CHECKING:
    from mlflow_transfer.losses import Loss
    from mlflow_transfer.options import Options
    from mlflow_transfer.planning import TransferPlan
    from mlflow_transfer.service import Outcome
    from mlflow_transfer.sources.base import Source
    from mlflow_transfer.verification.report import Report

app = make_app()


@command(app)
def copy(
    context: typer.Context,
    source: Src,
    destination: Dst,
    *,
    include_deleted: Deleted = False,
    artifact_root: ArtifactRoot = None,
    what: What,
    into: Into,
    reach: Reach,
) -> None:
    """Copy everything that is new or changed. You can stop it at any time and run it again.

    Passwords are read from TRANSFER_SOURCE_USERNAME, _PASSWORD, _TOKEN and TRANSFER_DESTINATION_….
    """

    async def go(session: Session) -> None:
        opened = await session.source(source, artifact_root)
        options = what.options(include_deleted=include_deleted, thorough=into.thorough)
        await _copy(session, opened, destination, options, into, as_json=reach.as_json)

    _run(Session(reach, context.obj), go)


@command(app)
def restore(
    context: typer.Context,
    archive: ArchiveArgument,
    destination: Dst,
    *,
    snapshot: Snapshot = None,
    what: What,
    into: Into,
    reach: Reach,
) -> None:
    """Restore a backup into a server. First compares every file of the backup with its checksum."""

    async def go(session: Session) -> None:
        from mlflow_transfer.sources.archive import ArchiveSource

        source = ArchiveSource(session.archive(archive), snapshot, lenient=into.accept_losses)
        await source.check(lambda size: session.bars.advance("bytes checked", size))
        options = what.options(thorough=into.thorough)
        await _copy(session, source, destination, options, into, as_json=reach.as_json)

    _run(Session(reach, context.obj), go)


@command(app)
def backup(
    context: typer.Context,
    source: Src,
    archive: ArchiveArgument,
    *,
    keep: Keep = None,
    artifact_root: ArtifactRoot = None,
    thorough: Thorough = False,
    accept_losses: AcceptLosses = False,
    what: What,
    reach: Reach,
) -> None:
    """Back up everything, including deleted runs, into an archive. Content that the archive already has is reused.

    If something cannot be read, it is listed, the snapshot is marked as partial, and the exit status is 1.
    """
    lost: list[Loss] = []

    async def go(session: Session) -> None:
        from mlflow_transfer.backup import Backup

        opened: Source = await session.source(source, artifact_root)
        place = session.archive(archive)
        taken = f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
        options = what.options(thorough=thorough)
        made = Backup(opened, place, taken, options, session.bars, session.places.retry)
        snapshot = await made.run()
        deleted = place.prune(keep) if keep else 0
        await opened.close()
        lost.extend(made.losses)
        losses = {"losses": _losses(lost, as_json=reach.as_json)} if lost or reach.as_json else {}
        values = {"snapshot": snapshot.taken, "partial": snapshot.partial, "holds": snapshot.counts}
        session.show({**values, "files_deleted": deleted, **losses})

    _run(Session(reach, context.obj), go)
    if lost and not accept_losses:
        things = "1 thing" if len(lost) == 1 else f"{len(lost)} things"
        fail(f"{things} could not be read, and everything else was backed up: see the losses, or give --accept-losses")
        raise typer.Exit(1)


@command(app)
def verify(
    context: typer.Context,
    left: Side,
    right: Side,
    *,
    report: ReportFolder = CACHE / "report",
    include_deleted: Deleted = False,
    sizes_only: SizesOnly = False,
    by_name: ByName = False,
    accept_losses: AcceptLosses = False,
    snapshot: Snapshot = None,
    artifact_root: ArtifactRoot = None,
    what: What,
    reach: Reach,
) -> None:
    """Compare everything in LEFT with RIGHT. The exit status is 1 if anything differs or cannot be read."""
    found: list[Report] = []

    async def go(session: Session) -> None:
        from mlflow_transfer import reporting, service
        from mlflow_transfer.verification.context import MatchOptions

        one = await session.source(left, artifact_root, snapshot)
        other = await session.source(right, artifact_root, snapshot, "DESTINATION")
        match = MatchOptions(by_name=by_name, contents=not sizes_only)
        options = what.options(include_deleted=include_deleted)
        result = await service.verify(
            one, other, options, match=match, progress=session.bars, accept_losses=accept_losses
        )
        when = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        paths = await asyncio.to_thread(reporting.write, result, report, when)
        await one.close()
        await other.close()
        found.append(result)
        values = reporting.as_json(result, when) if reach.as_json else reporting.as_lines(result)
        session.show({**values, "report": str(paths[1])})

    _run(Session(reach, context.obj), go)
    if not found[0].passed:
        raise typer.Exit(1)


@command(app)
def inspect(
    context: typer.Context,
    place: Side,
    *,
    snapshot: Snapshot = None,
    artifact_root: ArtifactRoot = None,
    reach: ShortReach,
) -> None:
    """Count the contents of a server, database, file store or archive, and list what cannot be read."""

    async def go(session: Session) -> None:
        from mlflow_transfer import inspecting

        source: Source = await session.source(place, artifact_root, snapshot)
        found = await inspecting.inspect(source)
        await source.close()
        losses = _losses(found.losses, as_json=reach.as_json)
        lost = {"losses": losses} if losses or reach.as_json else {}
        session.show({"place": source.name, "version": found.version, "holds": found.counts, **lost})

    _run(Session(reach, context.obj), go)


async def _copy(
    session: Session, source: Source, destination: str, options: Options, into: Into, *, as_json: bool
) -> None:
    from mlflow_transfer import service

    target = await session.server(destination)
    try:
        outcome = await service.copy(
            source,
            target,
            options,
            checkpoint=into.checkpoint or CACHE / f"{_name(source.identity, target.identity)}.sqlite",
            progress=session.bars,
            agreement=service.Agreement(into.accept_losses),
            only_plan=into.dry_run,
        )
    finally:
        await source.close()
        await target.close()
    plan, planned = outcome.plan, outcome.summary is None
    session.show(_planned(plan, as_json=as_json) if planned else _done(outcome, as_json=as_json))
    if outcome.refused:
        things = "1 thing was" if len(outcome.refused) == 1 else f"{len(outcome.refused)} things were"
        fail(f"{things} lost, and everything else was copied: see the losses, or give --accept-losses")
        raise typer.Exit(1)


def _planned(plan: TransferPlan, *, as_json: bool) -> dict[str, Any]:
    from mlflow_transfer.losses import loss_lines

    return {
        "to_move": dict(plan.counts),
        "unchanged": dict(plan.unchanged),
        "metric_points": plan.points,
        "files": plan.files,
        "bytes": plan.bytes,
        "source_calls": plan.source_calls,
        "destination_calls": plan.destination_calls,
        "seconds_at_least": None if plan.seconds is None else round(plan.seconds),
        "losses": [f"{loss.place}: {loss.reason}" for loss in plan.losses] if as_json else loss_lines(plan.losses),
    }


def _done(outcome: Outcome, *, as_json: bool) -> dict[str, Any]:
    assert outcome.summary is not None  # noqa: S101 a copy was made
    return {
        "created": dict(outcome.summary.created),
        "changed": dict(outcome.summary.changed),
        "unchanged": dict(outcome.summary.unchanged),
        "losses": _losses(outcome.summary.losses, as_json=as_json),
        "source_calls": outcome.source_calls,
        "destination_calls": outcome.destination_calls,
        "destination_writes": outcome.destination_writes,
    }


def _losses(losses: list[Loss], *, as_json: bool) -> list[Any]:
    from mlflow_transfer.losses import loss_lines

    return [asdict(loss) for loss in losses] if as_json else loss_lines(losses)


def _name(*identities: str) -> str:
    return hashlib.sha256("\n".join(identities).encode()).hexdigest()[:16]


def _run(session: Session, go: Callable[[Session], Awaitable[None]]) -> None:
    async def whole() -> None:
        with session.bars:
            await go(session)

    asyncio.run(whole())


def main() -> None:
    """The console entry point `mlflow-transfer`. It does not support env:NAME and --local."""
    run(app)
