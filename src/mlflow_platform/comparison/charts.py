"""Charts of runs: a metric along the runs, and parallel coordinates of parameters and metric, as PNG files.

Drawn on figures of their own, without pyplot. Import this module when the work starts: Matplotlib takes most of
a second.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mlflow_common.console import printable
from mlflow_platform.comparison.table import Table, number

_BLUE, _ORANGE, _GREY = "#2a6fb0", "#d9772b", "#8a94a0"
_DOTS_PER_INCH = 140
_LONGEST_LABEL = 14
# Nobody can read more, and a chart of the thousands that a run may have would take hours.
MOST_AXES = 30


def metric(table: Table, path: Path) -> None:
    """Draw the metric of each run in the order in which they started, and the best so far."""
    values = [score for row in table.by_time if (score := row.score(table.metric)) is not None]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    places = range(1, len(values) + 1)
    axes.scatter(places, values, s=22, color=_BLUE, alpha=0.7, edgecolors="none", label="run")
    if values:
        best = (np.maximum if table.maximize else np.minimum).accumulate(values)
        axes.step(places, best, color=_ORANGE, linewidth=1.5, where="post", label="best so far")
        axes.legend(frameon=False, fontsize=8)
    axes.set_xlabel("run")
    axes.set_ylabel(_plain(table.metric))
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def parallel_coordinates(table: Table, path: Path) -> None:
    """Draw each run as a line through its differing parameters and the metric. Colours show the metric, best on top.

    Only the first `MOST_AXES` parameters are drawn.
    """
    rows = [row for row in reversed(table.rows) if row.score(table.metric) is not None]
    drawn = table.differing[:MOST_AXES]
    names = [*drawn, table.metric]
    figure = Figure(figsize=(max(5.0, 1.8 * len(names)), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    columns = [[row.params.get(name, "") for row in rows] for name in drawn]
    columns.append([repr(row.metrics[table.metric]) for row in rows])
    heights = np.array([_heights(column) for column in columns]).T if rows else np.empty((0, len(names)))
    shades = colormaps["viridis"]
    for height in heights:
        share = height[-1] if table.maximize else 1 - height[-1]
        axes.plot(range(len(names)), height, color=shades(share), alpha=0.75, linewidth=1.3)
    for place, column in enumerate(columns):
        axes.axvline(place, color=_GREY, linewidth=1)
        for text, height in _ends(column):
            axes.text(place + 0.03, height, _plain(text), fontsize=7, color="#22303c", va="bottom")
    axes.set_xticks(range(len(names)), [_plain(name) for name in names])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with warnings.catch_warnings():
        # Matplotlib's font lacks, for example, Chinese. A box is drawn instead, and the table has the name.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")
        figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None})


def _heights(column: Sequence[str]) -> list[float]:
    """Positions from 0 to 1: numbers by size. With other texts among them, all by rank, and texts after numbers."""
    numbers = [number(text) for text in column]
    if None in numbers:
        order = sorted(set(column), key=lambda text: (number(text) is None, number(text) or 0.0, text))
        numbers = [float(order.index(text)) for text in column]
    values = np.array(numbers, dtype=float)
    spread = float(np.ptp(values))
    return [0.5] * len(values) if spread == 0 else list((values - values.min()) / spread)


def _ends(column: Sequence[str]) -> list[tuple[str, float]]:
    """The texts at the lowest and the highest position."""
    placed = sorted(zip(_heights(column), column, strict=True))
    return [(text, height) for height, text in {placed[0], placed[-1]}] if placed else []


def _plain(text: str) -> str:
    # Matplotlib would read text between dollars as a formula.
    value = number(text)
    shown = f"{value:.5g}" if value is not None else printable(text).replace("$", r"\$")
    return shown if len(shown) <= _LONGEST_LABEL * 2 else f"{shown[: _LONGEST_LABEL * 2 - 1]}…"
