"""Distances between two samples, with the probability that samples of one distribution differ as much.

- Numbers: the Kolmogorov-Smirnov test, the Wasserstein distance in standard deviations of the baseline, and the
  population stability index (PSI) over the baseline's deciles.
- Categories: the chi-square test, Cramér's V, and the PSI over the categories.

PSI of samples of one distribution is not 0: times n·m/(n+m) it follows a chi-square distribution with (bins - 1)
degrees of freedom (Yurdakul, "Statistical Properties of Population Stability Index", 2018). `psi_noise` is the 99th
percentile of that: a smaller PSI says nothing.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

Counts = np.ndarray[Any, Any]

_BINS = 10
_NOISE = 0.99
# The chi-square test needs about five expected rows in each cell (Cochran, 1954); rarer categories are one.
_LEAST_EXPECTED = 5


@dataclass(frozen=True)
class Distance:
    """How far a sample is from the baseline.

    Attributes:
        test: the name of the test.
        p_value: the probability of such a difference, if both samples are of one distribution.
        statistic: the test's effect size, from 0 to 1: the KS statistic, or Cramér's V.
        psi, psi_noise: the population stability index, and what chance alone may give.
        wasserstein: in standard deviations of the baseline; None for categories and for a constant baseline.
    """

    test: str
    p_value: float
    statistic: float
    psi: float
    psi_noise: float
    wasserstein: float | None = None


def numeric(baseline: Sequence[float], current: Sequence[float]) -> Distance:
    """Compare two samples of finite numbers; neither is empty."""
    expected, found = np.asarray(baseline, float), np.asarray(current, float)
    # Numbers beyond about 1e154 overflow when they are squared.
    with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
        spread = float(np.std(expected))
        # The exact method takes minutes for large samples. Where it fails, SciPy warns and uses the asymptotic one.
        warnings.filterwarnings("ignore", "ks_2samp: Exact calculation unsuccessful", RuntimeWarning)
        test = stats.ks_2samp(expected, found, method="asymp" if min(len(expected), len(found)) > 200 else "auto")
        distance = float(stats.wasserstein_distance(expected, found)) / spread if spread > 0 else None
    edges = np.unique(np.quantile(expected, np.linspace(0, 1, _BINS + 1)[1:-1]))
    if len(edges) <= 1:
        # Constant, or nearly: below, at and above the value.
        edge = float(edges[0])
        edges = np.asarray([np.nextafter(edge, -np.inf), edge])
    counts = [
        np.bincount(np.searchsorted(edges, sample, side="left"), minlength=len(edges) + 1)
        for sample in (expected, found)
    ]
    psi, noise = _psi(counts[0], counts[1])
    usable = distance if distance is not None and np.isfinite(distance) else None
    return Distance("Kolmogorov-Smirnov", float(test.pvalue), float(test.statistic), psi, noise, usable)


def categorical(baseline: Sequence[str], current: Sequence[str]) -> Distance | None:
    """Compare two samples of categories; neither is empty.

    None if all categories are too rare for the test, as those of names, ids and free text are.
    """
    expected, found = Counter(baseline), Counter(current)
    table = np.asarray(_merged(expected, found, len(baseline), len(current)), float).T
    psi, noise = _psi(table[0], table[1])
    if table.shape[1] < 2:
        if len(expected | found) > 1:
            return None
        return Distance("chi-square", 1.0, 0.0, psi, noise)
    chi2, p_value, _, _ = stats.chi2_contingency(table, correction=False)
    return Distance("chi-square", float(p_value), float(np.sqrt(chi2 / table.sum())), psi, noise)


def missing(baseline: tuple[int, int], current: tuple[int, int]) -> float:
    """The probability that the shares of missing values differ so much by chance (Fisher's exact test).

    Args:
        baseline, current: how many values are missing, and how many there are in all.
    """
    table = [[count, total - count] for count, total in (baseline, current)]
    return float(stats.fisher_exact(table).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for the number of tests, so that the chance of any false alarm stays below the level.

    Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = largest
    return adjusted


def _merged(expected: Counter[str], found: Counter[str], n: int, m: int) -> list[tuple[int, int]]:
    """Counts of each category in both samples. Categories too rare for the test are one."""
    smaller = min(n, m) / (n + m)
    pairs, rare = [], [0, 0]
    for name in sorted(expected.keys() | found.keys()):
        pair = (expected[name], found[name])
        if sum(pair) * smaller >= _LEAST_EXPECTED:
            pairs.append(pair)
        else:
            rare[0], rare[1] = rare[0] + pair[0], rare[1] + pair[1]
    return [*pairs, (rare[0], rare[1])] if sum(rare) else pairs


def _psi(expected: Counts, found: Counts) -> tuple[float, float]:
    """The index, and the largest that chance gives. Half a row is added to each bin, so that none is empty."""
    bins = len(expected)
    if bins < 2:
        return 0.0, 0.0
    n, m = float(expected.sum()), float(found.sum())
    share, now = (expected + 0.5) / (n + bins / 2), (found + 0.5) / (m + bins / 2)
    index = float(np.sum((now - share) * np.log(now / share)))
    return index, float(stats.chi2.ppf(_NOISE, bins - 1)) * (1 / n + 1 / m)
