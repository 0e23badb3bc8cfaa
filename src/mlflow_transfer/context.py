"""The state that all copiers of one copy share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from mlflow_transfer.checkpoint import Checkpoint
from mlflow_transfer.client import ApiError, UnansweredError
from mlflow_transfer.destination import Destination
from mlflow_transfer.limits import Limits
from mlflow_transfer.links import Links
from mlflow_transfer.losses import Loss, LostParts
from mlflow_transfer.options import Options
from mlflow_transfer.progress import TransferProgress
from mlflow_transfer.scratch import Scratch
from mlflow_transfer.sources.base import Features, Source
from mlflow_transfer.strategy import Mirror
from mlflow_transfer.summary import Summary

T = TypeVar("T")


class Workers:
    """Threads for blocking work, such as moving files."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="artifact")
        self._stopping = False

    async def run(self, work: Callable[[], T]) -> T:
        """Run blocking work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def stop(self) -> None:
        """Drop the queued work. Running work ends at its next `check`."""
        self._stopping = True
        self._threads.shutdown(wait=True, cancel_futures=True)

    def check(self) -> None:
        """Raise an error in this thread if all work must stop. Threads cannot be ended from outside."""
        if self._stopping:
            raise asyncio.CancelledError


@dataclass
class CopyContext:
    """One copy: both sides, the options, and the state.

    Args:
        limits: the limits of the destination's MLflow version.
        features: the features that both sides have, such as logged models.
        lost: which of the source's objects could not be read completely.
    """

    source: Source
    destination: Destination
    checkpoint: Checkpoint
    options: Options
    progress: TransferProgress
    limits: Limits
    workers: Workers
    scratch: Scratch = field(default_factory=Scratch)
    summary: Summary = field(default_factory=Summary)
    features: Features = field(default_factory=lambda: Features(logged_models=False, traces=False, prompts=False))
    lost: LostParts = field(init=False)

    def __post_init__(self) -> None:
        """Watch the losses of the source."""
        self.lost = LostParts(self.source.losses)

    @property
    def links(self) -> Links:
        """The links between the objects of both sides."""
        return self.checkpoint.links

    @property
    def strategy(self) -> Mirror:
        """How objects that the destination already has are treated."""
        return self.options.strategy

    async def unless_refused(self, place: str, work: Awaitable[object]) -> bool:
        """Do the work for one object. It is a loss if the destination refuses its content, or fails at it only.

        Returns:
            Whether the work was done.
        """
        try:
            await work
        except (ApiError, UnansweredError, BaseExceptionGroup) as error:
            refusal = _refusal(error)
            if refusal is None:
                raise
            if isinstance(refusal, UnansweredError) and not await self.destination.answers():
                raise
            self.summary.add_losses([Loss(place, refusal.message)])
            return False
        return True

    def target(self, source_id: str) -> str | None:
        """The destination's id for any id of the source; None if there is none."""
        return self.links.target(source_id)

    def close(self) -> None:
        """Stop the threads and delete the scratch tables."""
        self.workers.stop()
        self.scratch.close()


def _refusal(error: BaseException) -> ApiError | UnansweredError | None:
    """The refusal or failure of single calls, if an error is nothing else."""
    if isinstance(error, BaseExceptionGroup):
        found = [_refusal(one) for one in error.exceptions]
        # A failure comes first: it may be one of the whole destination.
        found.sort(key=lambda one: not isinstance(one, UnansweredError))
        return found[0] if all(found) else None
    if isinstance(error, ApiError):
        return error if error.refuses_content else None
    return error if isinstance(error, UnansweredError) else None


def common_features(left: Features, right: Features) -> Features:
    """The features that both sides have."""
    return Features(
        left.logged_models and right.logged_models, left.traces and right.traces, left.prompts and right.prompts
    )
