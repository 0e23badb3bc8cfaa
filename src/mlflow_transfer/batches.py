"""Groups parameters, tags and points into as few `runs/log-batch` calls as the server's limits allow."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from mlflow_common.numbers import number_text
from mlflow_transfer.records import ModelPoint, Point, pairs

# One call accepts 1,000 entities, with at most 100 parameters and 100 tags (mlflow/utils/validation.py).
MOST_ENTITIES = 1000
MOST_PARAMS = 100
MOST_TAGS = 100
# MLflow documents 1 MB. The difference leaves room for what a proxy adds.
MOST_BYTES = 950_000


@dataclass(slots=True)
class Batch:
    """The content of one call. `links` are points that also belong to a logged model."""

    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    links: list[ModelPoint] = field(default_factory=list)
    size: int = 0

    def __len__(self) -> int:
        return len(self.params) + len(self.tags) + len(self.points) + len(self.links)

    def body(self, run_id: str) -> dict[str, Any]:
        """The body of the call."""
        return {
            "run_id": run_id,
            "params": pairs(self.params),
            "tags": pairs(self.tags),
            "metrics": [_metric(point) for point in self.points] + [_linked(link) for link in self.links],
        }

    def takes(self, size: int) -> bool:
        """Whether one more entity of this size fits."""
        return len(self) < MOST_ENTITIES and self.size + size <= MOST_BYTES


class Batches:
    """Collects entities. `full` holds the complete batches, and `open` is the batch that is being filled."""

    def __init__(self) -> None:
        self.full: list[Batch] = []
        self.open = Batch()

    def __len__(self) -> int:
        return sum(map(len, self.full)) + len(self.open)

    def param(self, key: str, value: str) -> None:
        """Add a parameter."""
        size = _text_size(key, value)
        if not self.open.takes(size) or len(self.open.params) == MOST_PARAMS:
            self.close_open()
        self.open.params[key] = value
        self.open.size += size

    def tag(self, key: str, value: str) -> None:
        """Add a tag."""
        size = _text_size(key, value)
        if not self.open.takes(size) or len(self.open.tags) == MOST_TAGS:
            self.close_open()
        self.open.tags[key] = value
        self.open.size += size

    def point(self, point: Point) -> None:
        """Add a point of a metric."""
        size = len(point.key) * 2 + 110
        if not self.open.takes(size):
            self.close_open()
        self.open.points.append(point)
        self.open.size += size

    def link(self, link: ModelPoint) -> None:
        """Add a point that belongs to a logged model."""
        size = len(link.point.key) * 2 + len(link.dataset_name or "") * 2 + 260
        # The server cannot store a point twice in one call.
        if not self.open.takes(size) or any(held.point == link.point for held in self.open.links):
            self.close_open()
        self.open.links.append(link)
        self.open.size += size

    def close_open(self) -> None:
        """Close the open batch."""
        if len(self.open):
            self.full.append(self.open)
            self.open = Batch()

    def take_full(self) -> list[Batch]:
        """Remove and return the complete batches."""
        full, self.full = self.full, []
        return full


def _metric(point: Point) -> dict[str, Any]:
    return {
        "key": point.key,
        "value": number_text(point.value),
        "timestamp": point.timestamp,
        "step": point.step,
    }


def _linked(link: ModelPoint) -> dict[str, Any]:
    data = {**_metric(link.point), "model_id": link.model_id}
    if link.dataset_name:
        data |= {"dataset_name": link.dataset_name, "dataset_digest": link.dataset_digest}
    return data


def _text_size(key: str, value: str) -> int:
    return len(json.dumps([key, value], ensure_ascii=False).encode("utf-8", "surrogatepass")) + 24
