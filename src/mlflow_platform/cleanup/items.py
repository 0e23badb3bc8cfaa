"""What a clean-up selects, what it keeps and why, and by which rules it selects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mlflow_common.errors import InputError

FAILED_RUNS = "failed-runs"
OLD_RUNS = "old-runs"
DELETED_RUNS = "deleted-runs"
ORPHANS = "orphans"
CONFIGS = "endpoint-configs"
MODELS = "models"
ARCHIVES = "archives"
IMAGES = "images"

# In the order in which they are deleted: what refers to something goes before what it refers to.
KINDS: Mapping[str, str] = {
    CONFIGS: "endpoint configurations that belong to no endpoint",
    MODELS: "SageMaker models that no configuration uses",
    ARCHIVES: "copies of models (model.tar.gz) that no SageMaker model uses",
    IMAGES: "serving images that no SageMaker model and no model package uses",
    FAILED_RUNS: "runs that failed or were killed, with their artifacts",
    OLD_RUNS: "finished runs, with their artifacts",
    DELETED_RUNS: "artifacts of runs that are already deleted in MLflow",
    ORPHANS: "artifacts below the folder of a run or model that MLflow does not know",
}
RUN_KINDS = frozenset({FAILED_RUNS, OLD_RUNS, DELETED_RUNS})
TRACKING_KINDS = RUN_KINDS | {ORPHANS}
# Finished runs are results, so they are cleaned up only if they are named.
DEFAULT_KINDS = frozenset(KINDS) - {OLD_RUNS}
# A deployment uploads the archive, then creates the model, then the configuration, then the endpoint: each is unused
# until the next one exists. Images are built before that.
SETTLING = timedelta(hours=2)
_UNSETTLED = f"it is younger than {SETTLING.seconds // 3600} hours: a deployment that is running may be about to use it"


@dataclass(frozen=True)
class Criteria:
    """Which items are selected.

    Args:
        kinds: keys of KINDS.
        before: only what ended, was created or was written before this time.
        experiments: names or ids of experiments; empty for all.
        tags: tags that a run must have; a value of None accepts any value.
        keep_images: how many of the newest images are kept, used or not.
        settled: what deployments create is selected only if it was created before this time, too; None: no limit.
    """

    kinds: frozenset[str]
    before: datetime
    experiments: frozenset[str] = frozenset()
    tags: Mapping[str, str | None] = field(default_factory=dict)
    keep_images: int = 3
    settled: datetime | None = None


@dataclass(frozen=True)
class Item:
    """Something to delete.

    Args:
        kind: a key of KINDS.
        name: the name or id by which AWS or MLflow knows it.
        detail: what a person recognises it by.
        changed: when it ended, was created or was last written.
        size: bytes that its deletion frees.
        objects: the number of S3 objects among them.
        folders: S3 URIs; everything below them is deleted. Each ends with a slash.
        models: ids of the logged models that are deleted with a run.
        marked: a run that is already deleted in MLflow.
    """

    kind: str
    name: str
    detail: str
    changed: datetime
    size: int = 0
    objects: int = 0
    folders: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    marked: bool = False

    def as_json(self) -> dict[str, Any]:
        """The item as a JSON object."""
        return {
            "kind": self.kind,
            "name": self.name,
            "detail": self.detail,
            "changed": self.changed.isoformat(),
            "bytes": self.size,
            "objects": self.objects,
        }

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


@dataclass(frozen=True)
class Kept:
    """Something that the criteria select and that is kept, with the reason."""

    kind: str
    name: str
    reason: str

    def as_json(self) -> dict[str, str]:
        """The kept item as a JSON object."""
        return {"kind": self.kind, "name": self.name, "reason": self.reason}


@dataclass
class Found:
    """The result of a search. `skipped` says which kinds could not be examined, and why."""

    items: list[Item] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def keep(self, kind: str, name: str, reason: str) -> None:
        """Note something that is kept."""
        self.kept.append(Kept(kind, name, reason))

    def selects(self, criteria: Criteria, kind: str, name: str, created: datetime) -> bool:
        """Whether the criteria select something that a deployment creates. Notes what is kept because it is too new."""
        if kind not in criteria.kinds or created >= criteria.before:
            return False
        if criteria.settled is not None and created >= criteria.settled:
            self.keep(kind, name, _UNSETTLED)
            return False
        return True

    def sort(self) -> None:
        """Put the items in the order of deletion, the oldest of a kind first."""
        order = list(KINDS)
        self.items.sort(key=lambda item: (order.index(item.kind), item.changed, item.name))


def parse_kinds(given: list[str], *, of_runs_only: bool) -> frozenset[str]:
    """The kinds that the option names.

    Args:
        of_runs_only: whether an experiment or a tag is given, which only runs and their artifacts have.

    Raises:
        InputError: there is no such kind, or it has neither experiment nor tags.
    """
    unknown = sorted(set(given) - set(KINDS))
    if unknown:
        raise InputError(f"there is no kind {unknown[0]!r}. --what takes {', '.join(KINDS)}.")
    foreign = sorted(set(given) - TRACKING_KINDS)
    if of_runs_only and foreign:
        raise InputError(f"{foreign[0]} have no experiment and no tags. Leave out --what {foreign[0]}, or the filter.")
    if given:
        return frozenset(given)
    return DEFAULT_KINDS & TRACKING_KINDS if of_runs_only else DEFAULT_KINDS


def parse_tags(given: list[str]) -> dict[str, str | None]:
    """The tags that the options name: KEY=VALUE, or KEY for any value.

    Raises:
        InputError: a key is empty, or given twice.
    """
    found: dict[str, str | None] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key:
            raise InputError(f"--tag takes KEY=VALUE or KEY, not {text!r}.")
        if key in found:
            raise InputError(f"--tag is given twice for {key!r}, and a run has one value: give each key once.")
        found[key] = value if equals else None
    return found
