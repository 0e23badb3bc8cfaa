"""Copies and verifications as one call each, for the command line, the upgrade and other programs.

A copy always makes a plan, stops if it is blocked, stops if there are losses that were not accepted, and then writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlflow_common.errors import NOT_READY, InputError, PlatformError, PreconditionError
from mlflow_transfer.checkpoint import Checkpoint
from mlflow_transfer.copier import Copier
from mlflow_transfer.destination import Destination
from mlflow_transfer.losses import Loss, loss_lines
from mlflow_transfer.options import Options
from mlflow_transfer.planning import TransferPlan, plan
from mlflow_transfer.progress import TransferProgress
from mlflow_transfer.sources.base import Source
from mlflow_transfer.sources.rest import RestSource
from mlflow_transfer.summary import Summary
from mlflow_transfer.verification.context import MatchOptions
from mlflow_transfer.verification.report import Report
from mlflow_transfer.verification.verifier import Verifier


class LossesError(PlatformError):
    """The copy would lose something, and the caller did not accept losses."""

    status = NOT_READY


@dataclass(frozen=True)
class Agreement:
    """What the caller agrees to.

    Args:
        accept_losses: continue even if something is lost.
        option: the option with which a user accepts losses, for messages.
    """

    accept_losses: bool = False
    option: str = "--accept-losses"


@dataclass(frozen=True)
class Outcome:
    """The result of a copy.

    Args:
        summary: None if only a plan was requested.
        refused: losses that were found during the copy and were not accepted. Everything else was copied.
        source_calls, destination_calls, destination_writes: the number of HTTP requests.
    """

    plan: TransferPlan
    summary: Summary | None = None
    refused: tuple[Loss, ...] = ()
    source_calls: int = 0
    destination_calls: int = 0
    destination_writes: int = 0


async def copy(
    source: Source,
    target: RestSource,
    options: Options,
    *,
    checkpoint: Path | None = None,
    progress: TransferProgress | None = None,
    agreement: Agreement | None = None,
    only_plan: bool = False,
) -> Outcome:
    """Copy new and changed objects into a server. Call it again after an interruption.

    Args:
        checkpoint: the file that is kept between copies; None to keep none.
        only_plan: write nothing. The plan then includes the sizes of files.

    Raises:
        InputError: both sides are the same server.
        PreconditionError: the copy is blocked.
        LossesError: something would be lost, and losses were not accepted.
        PlatformError: the copy could not be finished. The next copy continues from there.
    """
    agreement = agreement or Agreement()
    if source.identity == target.identity:
        raise InputError("source and destination are the same server")
    memory = Checkpoint(None if only_plan else checkpoint)
    copier = Copier(source, Destination(target), memory, options, progress)
    try:
        found = await plan(copier, sizes=only_plan)
        if found.blocked:
            raise PreconditionError(found.blocked[0], found.blocked[1:])
        if only_plan:
            return Outcome(found)
        if found.losses and not agreement.accept_losses:
            raise LossesError(_refusal(found.losses, agreement), loss_lines(found.losses))
        summary = await copier.run()
    finally:
        copier.close()
        memory.close()
    refused = () if agreement.accept_losses else tuple(summary.losses)
    client, calls = getattr(source, "client", None), target.client.calls
    return Outcome(found, summary, refused, client.calls.total if client else 0, calls.total, calls.writes)


async def verify(
    left: Source,
    right: Source,
    options: Options,
    *,
    match: MatchOptions | None = None,
    progress: TransferProgress | None = None,
    accept_losses: bool = False,
) -> Report:
    """Compare two sides. The report's `passed` says whether everything on the left is also on the right.

    Raises:
        PlatformError: a side could not be read.
    """
    return await Verifier(left, right, options, match, progress, accept_losses=accept_losses).run()


def _refusal(losses: list[Loss], agreement: Agreement) -> str:
    things = "1 thing" if len(losses) == 1 else f"{len(losses)} things"
    return f"{things} would be lost: give {agreement.option} to continue without"
