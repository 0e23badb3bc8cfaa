"""The options of a transfer or comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mlflow_common.errors import InputError
from mlflow_transfer.records import Experiment
from mlflow_transfer.strategy import Mirror

_MOST_NAMED = 10


@dataclass(frozen=True)
class Options:
    """Options that select what to transfer, and how.

    Args:
        include_deleted: also transfer deleted runs.
        artifacts: also transfer files.
        threads: the number of files that are moved at the same time.
        experiments: the names of the experiments to transfer; empty means all.
        thorough: also compare the metric points of runs whose listing did not change.
        strategy: how objects that the destination already has are treated.
    """

    include_deleted: bool = False
    artifacts: bool = True
    threads: int = 8
    experiments: frozenset[str] = frozenset()
    thorough: bool = False
    strategy: Mirror = field(default_factory=Mirror)

    def chosen(self, experiments: Iterable[Experiment], place: str) -> list[Experiment]:
        """The experiments to transfer.

        Raises:
            InputError: there is no experiment with a given name.
        """
        there = list(experiments)
        missing = sorted(self.experiments - {one.name for one in there})
        if missing:
            known = ", ".join(repr(one.name) for one in there[:_MOST_NAMED])
            more = ", …" if len(there) > _MOST_NAMED else ""
            raise InputError(f"there is no experiment {missing[0]!r} at {place} (there is: {known}{more})")
        return [one for one in there if not self.experiments or one.name in self.experiments]
