"""Writes the content of one run in batches."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence

from mlflow_transfer.batches import Batch, Batches
from mlflow_transfer.context import CopyContext
from mlflow_transfer.limits import point_losses
from mlflow_transfer.records import FINGERPRINT, History, ModelPoint, Point, Run, fingerprint, point_key

_Key = tuple[str, str, int, int]


class BatchWriter:
    """Logs parameters, tags and points of a run. The last batch waits for the files and carries the fingerprint.

    If a run needs several batches, the first one is sent alone, because it creates the rows of the latest values, which
    the others only update. The last batch contains each metric's latest point and is also sent alone. So the latest
    values are correct in whatever order the server processed the batches in between.
    """

    _AT_ONCE = 4

    def __init__(
        self, context: CopyContext, run: Run, target: str, files: asyncio.Task[None], *, existing: Run | None = None
    ) -> None:
        """Prepare to write.

        Args:
            target: the destination's id of the run.
            files: the task that copies the run's files.
            existing: the destination's run, if it already has content.
        """
        self._context, self._run, self._target, self._files = context, run, target, files
        self._existing = existing
        self._batches = Batches()
        self._sent = 0
        self._under_way: set[asyncio.Task[None]] = set()

    def tags(self, tags: Mapping[str, str]) -> None:
        """Add tags."""
        for key, value in tags.items():
            self._batches.tag(key, value)

    def params(self, params: Mapping[str, str]) -> None:
        """Add parameters."""
        for key, value in params.items():
            self._batches.param(key, value)

    async def write(self, history: History, model_points: Sequence[ModelPoint]) -> None:
        """Send everything.

        Args:
            model_points: the points that also belong to logged models.
        """
        links: dict[_Key, list[ModelPoint]] = {}
        for model in model_points:
            links.setdefault(point_key(model.point), []).append(model)
        last = await self._write_early_points(history, links)
        for point in last:
            self._add(point, links)
        for rest in links.values():
            for link in rest:
                self._batches.link(link)
        # A run whose history is incomplete gets no fingerprint, so that the next copy reads it again.
        whole = "" if self._context.lost.of(self._run.id) else fingerprint(self._run)
        if self._is_whole_already(whole):
            await self._files
            return
        self._batches.tag(FINGERPRINT, whole)
        self._batches.close_open()
        *full, final = self._batches.take_full()
        for batch in full:
            await self._send(batch)
        if self._under_way:
            await asyncio.gather(*self._under_way)
        await self._files
        await self._log(final)

    async def _write_early_points(self, history: History, links: dict[_Key, list[ModelPoint]]) -> list[Point]:
        """Send all points except each metric's latest one, and return the latest ones."""
        limits = self._context.limits
        latest = {point_key(point) for point in self._run.latest.values()}
        last: list[Point] = []
        async for chunk in history:
            points = [point for point in chunk if limits.takes_point(point)]
            if len(points) != len(chunk):
                refused = {point.key: point for point in chunk if not limits.takes_point(point)}
                losses = [loss for point in refused.values() for loss in point_losses(self._run.id, point, limits)]
                self._context.summary.add_losses(losses)
            if self._existing is not None:
                points = self._context.scratch.take_missing(self._run.id, points)
            for point in points:
                if point_key(point) in latest:
                    last.append(point)
                else:
                    self._add(point, links)
            for batch in self._batches.take_full():
                await self._send(batch)
        return last

    def _is_whole_already(self, whole: str) -> bool:
        unchanged = self._existing is not None and self._existing.tags.get(FINGERPRINT) == whole
        return unchanged and not self._sent and not len(self._batches)

    def _add(self, point: Point, links: dict[_Key, list[ModelPoint]]) -> None:
        """Add a point, with its logged model if it has one. A second logged model needs another batch."""
        # The server stores a logged model's NaN as 0, and a run's NaN as NaN.
        stored = point._replace(value=0.0) if math.isnan(point.value) else point
        found = links.get(point_key(stored))
        if found:
            self._batches.link(found.pop()._replace(point=point))
        else:
            self._batches.point(point)

    async def _send(self, batch: Batch) -> None:
        if self._sent == 0:
            await self._log(batch)
        else:
            while len(self._under_way) >= self._AT_ONCE:
                done, self._under_way = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            self._under_way.add(asyncio.create_task(self._log(batch)))
        self._sent += 1

    async def _log(self, batch: Batch) -> None:
        points = len(batch.points) + len(batch.links)
        await self._context.destination.runs.log(self._target, batch)
        self._context.progress.advance("points", points)
