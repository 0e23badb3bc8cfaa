"""Charts of predictions against the truth, as PNG files.

Drawn on figures of their own, without pyplot: no window system, no state that outlives a chart. Import this module
when the work starts: Matplotlib takes most of a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import confusion_matrix

Values = np.ndarray[Any, Any]

_BLUE, _ORANGE, _GREY = "#2a6fb0", "#d9772b", "#8a94a0"
_DOTS_PER_INCH = 160


def confusion(truth: Values, predicted: Values, path: Path) -> None:
    """Draw how often each true class (row) was predicted as each class (column)."""
    labels = np.unique(np.concatenate([truth.astype(str), predicted.astype(str)]))
    counts = confusion_matrix(truth.astype(str), predicted.astype(str), labels=labels)
    side = min(max(3.6, 1.4 + 0.9 * len(labels)), 14.0)
    figure, (axes,) = _figure(side + 0.6, side, 1)
    # Shades are shares of a row, so that a rare class is as readable as a frequent one.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
    positions = range(len(labels))
    axes.set_xticks(positions, labels, rotation=30 if len(labels) > 4 else 0)
    axes.set_yticks(positions, labels)
    for row in positions:
        for column in positions:
            count, share = counts[row, column], shares[row, column]
            colour = "white" if share > 0.55 else (_GREY if count == 0 else "#22303c")
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=11)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    right = int(np.trace(counts))
    axes.set_title(f"{right} of {counts.sum()} rows predicted right", fontsize=10, pad=10)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    _save(figure, path)


def residuals(truth: Values, predicted: Values, path: Path) -> None:
    """Draw predictions against the truth, and how large the errors are and in which direction."""
    truth, predicted = truth.astype(float), predicted.astype(float)
    errors = predicted - truth
    figure, (left, right) = _figure(9.2, 4.2, 2)
    ends = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
    left.plot(ends, ends, color=_GREY, linewidth=1, linestyle="--", label="perfect")
    left.scatter(truth, predicted, s=18, color=_BLUE, alpha=0.65, edgecolors="none")
    left.set_xlabel("true")
    left.set_ylabel("predicted")
    left.set_title("Predicted against true", fontsize=10)
    left.legend(frameon=False, fontsize=8, loc="upper left")
    right.hist(errors, bins=min(30, max(5, int(np.sqrt(len(errors)) * 1.5))), color=_BLUE, alpha=0.8)
    right.axvline(0, color=_GREY, linewidth=1, linestyle="--")
    mean = float(errors.mean())
    right.axvline(mean, color=_ORANGE, linewidth=1.5, label=f"mean error {mean:+.2f}")
    right.set_xlabel("error (predicted - true)")
    right.set_ylabel("rows")
    right.yaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_title("Errors", fontsize=10)
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def draw(task: str, truth: Values, predicted: Values, folder: Path) -> Path:
    """Draw the chart that suits the task (`classification` or `regression`) into a folder. Returns its path."""
    if task == "classification":
        path = folder / "confusion_matrix.png"
        confusion(truth, predicted, path)
    else:
        path = folder / "residuals.png"
        residuals(truth, predicted, path)
    return path


def _figure(width: float, height: float, plots: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, plots, squeeze=False)
    return figure, list(axes[0])


def _save(figure: Figure, path: Path) -> None:
    # Without the software's version in it, the same predictions give the same file.
    figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None})
