"""Charts of predictions against the truth, as PNG files.

Drawn on figures of their own, without pyplot: no window system, no state that outlives a chart. Import this module
when the work starts: Matplotlib takes most of a second.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

Values = np.ndarray[Any, Any]
# Whether each row is of a class, and the class's probability.
Curve = tuple[Values, Values]

_BLUE, _ORANGE, _GREY, _INK = "#2a6fb0", "#d9772b", "#8a94a0", "#22303c"
_LINES = (_BLUE, _ORANGE, "#3a9d6e", "#8c5fb5", "#c2478a", "#6b7c3a", "#4aa3c7", "#a8623a")
_DOTS_PER_INCH = 160
# More classes than this make a chart that nobody can read; the rest are counted together.
_MOST_CLASSES = 25
_OTHERS = "(others)"
_LONGEST_LABEL = 24


def confusion(truth: Values, predicted: Values, path: Path) -> None:
    """Draw how often each true class (row) was predicted as each class (column).

    Of more than 25 classes the most frequent are shown, and the others together.
    """
    truth, predicted = truth.astype(str), predicted.astype(str)
    right = int((truth == predicted).sum())
    truth, predicted, labels = _most_frequent(truth, predicted)
    counts = confusion_matrix(truth, predicted, labels=labels)
    side = min(max(3.6, 1.4 + 0.9 * len(labels)), 14.0)
    figure, (axes,) = _figure(side + 0.6, side, 1)
    # Shades are shares of a row, so that a rare class is as readable as a frequent one.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
    positions = range(len(labels))
    shown = [_short(label) for label in labels]
    axes.set_xticks(
        positions, shown, rotation=30 if len(labels) > 4 else 0, ha="right" if len(labels) > 4 else "center"
    )
    axes.set_yticks(positions, shown)
    for row in positions:
        for column in positions:
            count, share = counts[row, column], shares[row, column]
            colour = "white" if share > 0.55 else (_GREY if count == 0 else _INK)
            size = 11 if len(labels) <= 12 else 8
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=size)
    axes.set_xlabel("predicted", labelpad=8)
    axes.set_ylabel("true", labelpad=8)
    axes.set_title(f"{right} of {len(truth)} rows predicted right", fontsize=10, pad=10)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    _save(figure, path)


def residuals(truth: Values, predicted: Values, path: Path) -> None:
    """Draw predictions against the truth, the errors along the predictions, and how the errors are distributed."""
    truth, predicted = truth.astype(float), predicted.astype(float)
    errors = predicted - truth
    figure, (left, middle, right) = _figure(12.6, 4.2, 3)
    ends = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
    left.plot(ends, ends, color=_GREY, linewidth=1, linestyle="--", label="perfect")
    left.scatter(truth, predicted, s=18, color=_BLUE, alpha=0.65, edgecolors="none")
    _describe(left, "Predicted against true", "true", "predicted")
    left.legend(frameon=False, fontsize=8, loc="upper left")
    middle.axhline(0, color=_GREY, linewidth=1, linestyle="--")
    middle.scatter(predicted, errors, s=18, color=_BLUE, alpha=0.65, edgecolors="none")
    _describe(middle, "Residuals", "predicted", "error (predicted - true)")
    right.hist(errors, bins=_bins(errors), color=_BLUE, alpha=0.8)
    right.axvline(0, color=_GREY, linewidth=1, linestyle="--")
    mean = float(errors.mean())
    right.axvline(mean, color=_ORANGE, linewidth=1.5, label=f"mean error {mean:+.3g}")
    right.yaxis.set_major_locator(MaxNLocator(integer=True))
    _describe(right, "Distribution of the errors", "error (predicted - true)", "rows")
    right.legend(frameon=False, fontsize=8)
    _save(figure, path)


def roc(curves: Sequence[tuple[str, Curve]], path: Path) -> None:
    """Draw the ROC curve of each class against the rest: names, and which rows are of the class and its probability."""
    figure, (axes,) = _figure(5.4, 4.6, 1)
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--")
    for number, (name, (positive, chances)) in enumerate(curves[: len(_LINES)]):
        wrongly, rightly, _ = roc_curve(positive, chances)
        area = roc_auc_score(positive, chances)
        axes.plot(wrongly, rightly, color=_LINES[number], linewidth=1.8, label=f"{_short(name)} ({area:.3f})")
    _describe(axes, "", "false positive rate", "true positive rate")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.legend(frameon=False, fontsize=8, loc="lower right", title="class (area)", title_fontsize=8)
    _save(figure, path)


def latencies(durations: Values, path: Path) -> None:
    """Draw how long the requests took, in milliseconds, with the median, the 95th and the 99th percentile."""
    figure, (axes,) = _figure(9.2, 2.8, 1)
    axes.hist(durations, bins=_bins(durations), color=_BLUE, alpha=0.8)
    for share, style in ((50, "-"), (95, "--"), (99, ":")):
        value = float(np.percentile(durations, share))
        axes.axvline(value, color=_ORANGE, linewidth=1.5, linestyle=style, label=f"p{share}  {value:.1f} ms")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _describe(axes, "", "milliseconds", "requests")
    axes.legend(frameon=False, fontsize=8)
    _save(figure, path)


def draw(task: str, truth: Values, predicted: Values, folder: Path) -> Path:
    """Draw the chart of the task (`classification` or `regression`) into a folder. Returns its path."""
    if task == "classification":
        path = folder / "confusion_matrix.png"
        confusion(truth, predicted, path)
    else:
        path = folder / "residuals.png"
        residuals(truth, predicted, path)
    return path


def _most_frequent(truth: Values, predicted: Values) -> tuple[Values, Values, list[str]]:
    """Truth and predictions with rare classes as one, if there are too many; and the classes that are left."""
    labels, counts = np.unique(np.concatenate([truth, predicted]), return_counts=True)
    if len(labels) <= _MOST_CLASSES:
        return truth, predicted, [str(label) for label in labels]
    kept = sorted(str(label) for label in labels[np.argsort(-counts, kind="stable")][: _MOST_CLASSES - 1])
    truth, predicted = (
        np.where(np.isin(values, kept), values.astype(object), _OTHERS).astype(str) for values in (truth, predicted)
    )
    return truth, predicted, [*kept, _OTHERS]


def _short(text: str) -> str:
    # Matplotlib would read text between dollars as a formula.
    plain = "".join(character if character.isprintable() else " " for character in text).replace("$", r"\$")
    return plain if len(plain) <= _LONGEST_LABEL else f"{plain[: _LONGEST_LABEL - 1]}…"


def _bins(values: Values) -> int:
    """A number of bars that suits so many values; one where they differ by less than floating point can divide."""
    spread, largest = float(np.ptp(values)), float(np.abs(values).max())
    if spread <= largest * 1e-12:
        return 1
    return min(30, max(5, int(np.sqrt(len(values)) * 1.5)))


def _describe(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)


def _figure(width: float, height: float, plots: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, plots, squeeze=False)
    return figure, list(axes[0])


def _save(figure: Figure, path: Path) -> None:
    with warnings.catch_warnings():
        # Letters that Matplotlib's font lacks become boxes; the page's tables show them.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        # Without the software's version in it, the same predictions give the same file.
        figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None})
