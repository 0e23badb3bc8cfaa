"""What a transfer moves or compares, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mlflow_common.errors import InputError
from mlflow_transfer.records import Experiment
from mlflow_transfer.strategy import Mirror

_MOST_NAMED = 10


@dataclass(frozen=True)
class Options:
    """What to transfer and how.

    Args:
        include_deleted: also transfer deleted runs.
        artifacts: also transfer files.
        threads: the number of files that are moved at the same time.
        experiments: the names of the experiments to transfer; empty means all.
        thorough: also compare the metric points of runs whose listing did not change.
        strategy: what is done with objects that the destination has already.
    """

    include_deleted: bool = False
    artifacts: bool = True
    threads: int = 8
    experiments: frozenset[str] = frozenset()
    thorough: bool = False
    strategy: Mirror = field(default_factory=Mirror)

    def chosen(self, experiments: Iterable[Experiment], place: str) -> list[Experiment]:
        """The experiments to transfer, out of those of a place.

        Raises:
            InputError: the place has no experiment of a given name.
        """
        there = list(experiments)
        missing = sorted(self.experiments - {one.name for one in there})
        if missing:
            known = ", ".join(repr(one.name) for one in there[:_MOST_NAMED])
            more = ", …" if len(there) > _MOST_NAMED else ""
            raise InputError(f"there is no experiment {missing[0]!r} at {place} (there is: {known}{more})")
        return [one for one in there if not self.experiments or one.name in self.experiments]
