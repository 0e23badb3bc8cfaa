"""The state that all comparers of one verification share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlflow_transfer.context import Workers
from mlflow_transfer.limits import Limits
from mlflow_transfer.links import Links
from mlflow_transfer.losses import LossLog
from mlflow_transfer.matching import Matches
from mlflow_transfer.options import Options
from mlflow_transfer.progress import TransferProgress
from mlflow_transfer.records import without_own_tags
from mlflow_transfer.rewrite import rewrite_ids
from mlflow_transfer.scratch import Scratch
from mlflow_transfer.sources.base import Features, Source
from mlflow_transfer.verification.report import Report


@dataclass(frozen=True)
class MatchOptions:
    """How objects of the right side are recognized and compared.

    Args:
        by_name: match runs by experiment and name, for copies that were made by other tools.
        contents: compare the checksums of artifacts.
    """

    by_name: bool = False
    contents: bool = True


@dataclass
class VerifyContext:
    """One verification: both sides, the options, the pairs found so far, and the report.

    Args:
        limits: the limits of the right side.
        features: the features that both sides have, such as logged models.
        matches: the pairs of ids, on disk, because there may be millions.
        experiment_names: the names by the left side's ids.
    """

    left: Source
    right: Source
    options: Options
    match: MatchOptions
    progress: TransferProgress
    report: Report
    limits: Limits
    workers: Workers
    matches: Matches = field(default_factory=lambda: Matches(Links.temporary()))
    scratch: Scratch = field(default_factory=Scratch)
    features: Features = field(default_factory=lambda: Features(logged_models=False, traces=False, prompts=False))
    experiment_names: dict[str, str] = field(default_factory=dict)
    unread: LossLog = field(default_factory=LossLog)

    def target(self, source_id: str) -> str | None:
        """The right side's id for any id of the left side; None if there is none."""
        return self.matches.links.target(source_id)

    def mapped(self, key: str, value: str) -> str:
        """The expected value of a tag on the right side: MLflow's references have the ids of that side."""
        if not key.startswith("mlflow.") or key == "mlflow.note.content":
            return value
        return rewrite_ids(value, self.target)

    def compare_texts(
        self, place: str, what: str, left: Mapping[str, str], right: Mapping[str, str], *, extras: bool = True
    ) -> None:
        """Compare tags or parameters.

        Args:
            extras: count entries that only the right side has as differences, too.
        """
        there = without_own_tags(right)
        keys = left.keys() | there.keys() if extras else left.keys()
        for key in sorted(keys):
            if left.get(key) != there.get(key):
                self.report.add(f"{place} {key!r}", what, left.get(key), there.get(key))

    def close(self) -> None:
        """Stop the threads and delete the temporary files."""
        self.workers.stop()
        self.matches.links.close()
        self.scratch.close()
