"""A table of runs: ranked by a metric, with the parameters that differ between them."""

from __future__ import annotations

import csv
import io
import math
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlflow_common.errors import InputError
from mlflow_platform.comparison.direction import is_maximized
from mlflow_platform.validation.table import listed

_FORMULA = set("=+-@\t\r\n")
# With a group, `split` keeps the separators: every second part is one.
_SEPARATORS = re.compile(r"(;|(?<=.)\t)", re.DOTALL)
# What MLflow's database holds for infinity (`sanitize_metric_value` of mlflow/store/tracking/sqlalchemy_store.py).
_INFINITE = sys.float_info.max


def ranked(value: float | None) -> float | None:
    """The value of a metric if it can be ranked. None if it is missing, NaN or infinite: the training diverged."""
    return None if value is None or math.isnan(value) or abs(value) >= _INFINITE else value


def _shown(value: float) -> str:
    return f"{math.copysign(math.inf, value) if abs(value) >= _INFINITE else value:.6g}"


@dataclass(frozen=True)
class Row:
    """A run. `started` is in milliseconds since the epoch."""

    run_id: str
    name: str
    status: str
    started: int
    params: Mapping[str, str]
    metrics: Mapping[str, float]

    def score(self, metric: str) -> float | None:
        """The value of a metric; None if there is none that can be ranked."""
        return ranked(self.metrics.get(metric))


@dataclass(frozen=True)
class Table:
    """Runs, the best first; runs whose metric is missing, NaN or infinite are last."""

    rows: tuple[Row, ...]
    metric: str
    maximize: bool

    @property
    def by_time(self) -> list[Row]:
        """The runs in the order in which they started."""
        return sorted(self.rows, key=lambda row: (row.started, row.run_id))

    @property
    def differing(self) -> list[str]:
        """The parameters whose values are not the same in all runs, by name."""
        names = sorted({name for row in self.rows for name in row.params})
        return [name for name in names if len({row.params.get(name) for row in self.rows}) > 1]

    @property
    def metrics(self) -> list[str]:
        """The names of all metrics: first the one that ranks."""
        return [self.metric, *sorted({name for row in self.rows for name in row.metrics} - {self.metric})]

    @property
    def columns(self) -> list[str]:
        """The names of the columns of `cells`. Each is there once: `metrics.` or `params.` precedes equal ones."""
        fixed = ["rank", "run", "run_id", "status"]
        names = [*(("metrics", name) for name in self.metrics), *(("params", name) for name in self.differing)]
        times = Counter([*fixed, *(name for _, name in names)])
        short = [f"{kind}.{name}" if times[name] > 1 else name for kind, name in names]
        is_clear = len({*fixed, *short}) == len(fixed) + len(short)
        return [*fixed, *(short if is_clear else (f"{kind}.{name}" for kind, name in names))]

    def cells(self) -> list[list[str]]:
        """A row of texts for each run. A run that cannot be ranked by the metric has no rank."""
        return [
            [
                str(rank) if row.score(self.metric) is not None else "",
                row.name,
                row.run_id,
                row.status,
                *(_shown(row.metrics[name]) if name in row.metrics else "" for name in self.metrics),
                *(row.params.get(name, "") for name in self.differing),
            ]
            for rank, row in enumerate(self.rows, start=1)
        ]

    def as_csv(self) -> str:
        """The table as CSV (RFC 4180). Texts that a spreadsheet would evaluate are preceded by an apostrophe."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow([_harmless(name) for name in self.columns])
        writer.writerows([_harmless(cell) for cell in cells] for cells in self.cells())
        return text.getvalue()


def make(rows: Sequence[Row], metric: str, *, maximize: bool | None = None) -> Table:
    """Rank runs by a metric. Without `maximize`, the metric's name decides whether larger is better.

    Raises:
        InputError: there are no runs, none has that metric as a finite number, or see `is_maximized`.
    """
    if not rows:
        raise InputError("there are no runs to compare. Log some with scripts/log_run.py or scripts/sweep.py.")
    if not any(metric in row.metrics for row in rows):
        known = sorted({name for row in rows for name in row.metrics})
        have = f"They have {listed(known)}." if known else "They have no metrics: log one with mlflow.log_metric."
        raise InputError(f"no run has the metric {metric!r}. {have}")
    if all(row.score(metric) is None for row in rows):
        raise InputError(
            f"the metric {metric!r} is NaN or infinite in all runs, so none is the best. Rank by another one."
        )
    largest = is_maximized(metric) if maximize is None else maximize

    def rank(row: Row) -> tuple[bool, float, int]:
        value = row.score(metric)
        return value is None, 0 if value is None else (-value if largest else value), row.started

    return Table(tuple(sorted(rows, key=rank)), metric, largest)


def number(text: str) -> float | None:
    """The text as a finite number; None if it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _harmless(text: str) -> str:
    """A cell without formulas, also behind a `;` or a tab, at which spreadsheets of some countries part cells.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    parts = [
        f"'{part}" if place % 2 == 0 and part[:1] in _FORMULA and number(part) is None else part
        for place, part in enumerate(_SEPARATORS.split(text))
    ]
    return "".join(parts)
