"""Charts of monitoring, as PNG. Import this module when the work starts: Matplotlib takes most of a second."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mlflow_platform.monitoring.drift import Finding

_BLUE, _ORANGE, _GREY, _INK = "#2a6fb0", "#d9772b", "#8a94a0", "#22303c"
_DOTS_PER_INCH = 150
_BINS = 24
_MOST_CATEGORIES = 12
_MOST_COLUMNS = 20
_LONGEST = 28


def distribution(finding: Finding) -> bytes:
    """The baseline's and the window's distribution of a column, one over the other."""
    figure, axes = _figure(3.5, 2.3)
    if finding.baseline is None or finding.current is None:
        raise ValueError(f"{finding.name} was not compared")
    pairs = (
        (finding.baseline.values, _GREY, "training data" if finding.name != "prediction" else "held-out data"),
        (finding.current.values, _ORANGE if finding.state == "drifted" else _BLUE, "this window"),
    )
    draw = _numbers if finding.kind == "numeric" else _categories
    draw(axes, pairs)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylabel("share of rows", fontsize=8)
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def psi_over_time(names: Sequence[str], labels: Sequence[str], values: Sequence[Sequence[float | None]]) -> bytes:
    """PSI of each column (row) in each window (column); grey where nothing was judged."""
    shown = names[:_MOST_COLUMNS]
    grid = np.asarray([[np.nan if value is None else value for value in row] for row in values[:_MOST_COLUMNS]], float)
    figure, axes = _figure(9.6, 0.9 + 0.34 * len(shown))
    axes.set_facecolor("#eceff2")
    axes.imshow(np.ma.masked_invalid(grid), cmap="OrRd", vmin=0, vmax=0.6, aspect="auto")
    for row, line in enumerate(grid):
        for column, value in enumerate(line):
            if np.isfinite(value) and len(labels) <= 24:
                colour = "white" if value > 0.42 else _INK
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_yticks(range(len(shown)), [_short(name) for name in shown], fontsize=8)
    _label_windows(axes, labels)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return _png(figure)


def quality_over_time(
    name: str, labels: Sequence[str], values: Sequence[float | None], shares: Sequence[float], reference: float | None
) -> bytes:
    """The main metric in each window, above the share of rows that have truth."""
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    positions = np.arange(len(labels))
    drawn = np.asarray([np.nan if value is None else value for value in values], float)
    top.plot(positions, drawn, color=_BLUE, marker="o", markersize=5, linewidth=1.8)
    for position, value in zip(positions, drawn, strict=True):
        if np.isfinite(value) and len(labels) <= 24:
            top.annotate(f"{value:.3g}", (position, value), (0, 7), textcoords="offset points", ha="center", fontsize=8)
    if reference is not None:
        top.axhline(reference, color=_GREY, linestyle="--", linewidth=1, label=f"before deployment  {reference:.3g}")
        top.legend(frameon=False, fontsize=8, loc="lower left")
    top.margins(y=0.25)
    top.set_ylabel(name, fontsize=9)
    bottom.bar(positions, shares, color=_GREY, width=0.6)
    bottom.set_ylim(0, 1)
    bottom.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    bottom.set_ylabel("with truth", fontsize=9)
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    _label_windows(bottom, labels)
    bottom.set_xlim(-0.6, len(labels) - 0.4)
    return _png(figure)


def rows_over_time(labels: Sequence[str], rows: Sequence[int]) -> bytes:
    """The number of rows in each window."""
    figure, axes = _figure(9.6, 1.9)
    axes.bar(range(len(labels)), rows, color=_BLUE, width=0.6, alpha=0.85)
    for position, count in enumerate(rows):
        if count and len(labels) <= 24:
            axes.annotate(f"{count:,}", (position, count), (0, 2), textcoords="offset points", ha="center", fontsize=8)
    axes.margins(y=0.2)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    _label_windows(axes, labels)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    return _png(figure)


def _numbers(axes: Axes, pairs: Sequence[tuple[Sequence[Any], str, str]]) -> None:
    samples = [np.asarray(values, float) for values, _, _ in pairs]
    together = np.concatenate(samples)
    # A few far values would leave one bar: those beyond the outer half percent are counted at the ends.
    low, high = np.quantile(together, [0.005, 0.995])
    if not np.isfinite(high - low) or high <= low:
        low, high = together.min() - 0.5, together.max() + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    for sample, (_, colour, label) in zip(samples, pairs, strict=True):
        weights = np.full(len(sample), 1 / max(len(sample), 1))
        axes.hist(
            np.clip(sample, low, high), bins=edges.tolist(), weights=weights, color=colour, alpha=0.55, label=label
        )


def _categories(axes: Axes, pairs: Sequence[tuple[Sequence[Any], str, str]]) -> None:
    counts = [Counter(values) for values, _, _ in pairs]
    names = [name for name, _ in sum(counts, Counter()).most_common(_MOST_CATEGORIES)]
    positions = np.arange(len(names))
    for offset, found, (values, colour, label) in zip((-0.2, 0.2), counts, pairs, strict=True):
        shares = [found[name] / max(len(values), 1) for name in names]
        axes.bar(positions + offset, shares, width=0.4, color=colour, alpha=0.8, label=label)
    turned = len(names) > 4
    axes.set_xticks(positions, [_short(name) for name in names], rotation=30 if turned else 0, fontsize=8)
    if turned:
        for text in axes.get_xticklabels():
            text.set_horizontalalignment("right")


def _label_windows(axes: Axes, labels: Sequence[str]) -> None:
    step = max(1, len(labels) // 12)
    axes.set_xticks(range(0, len(labels), step), labels[::step], fontsize=8)


def _short(text: str) -> str:
    # Matplotlib would read text between dollars as a formula.
    plain = "".join(character if character.isprintable() else " " for character in text).replace("$", r"\$")
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}…"


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        # Letters that Matplotlib's font lacks become boxes; the page's tables show them.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(content, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return content.getvalue()
