"""What a sweep tries next: the points of a grid, random points, or points that optuna's Bayesian search suggests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, Protocol

from mlflow_platform.sweeps.space import Axis, Choices, Value, Values, grid, size

StrategyName = Literal["grid", "random", "bayesian"]
# Draws in a row that may repeat a point before the search ends.
_DRAWS = 200


@dataclass(frozen=True)
class Scored:
    """A finished trial. `score` is None for a trial that failed or was stopped early."""

    values: Values
    score: float | None


class Strategy(Protocol):
    """Chooses the points of a sweep.

    Attributes:
        learns: whether the next point depends on the scores of the earlier ones.
    """

    learns: bool

    def ask(self, running: Sequence[Values]) -> Values | None:
        """The next point, which is neither finished nor running. None if there is no other."""

    def tell(self, trial: Scored) -> None:
        """Report a finished trial, of this process or of an earlier one."""


def key(values: Values) -> str:
    """A text that is the same for the same values."""
    return json.dumps(values, sort_keys=True)


class Listed:
    """Points that are known from the start: those of a grid, or random ones from a seed. A resumed sweep finds the
    same points again."""

    learns = False

    def __init__(self, points: Iterator[Values]) -> None:
        self._points = points
        self._done: set[str] = set()

    def ask(self, running: Sequence[Values]) -> Values | None:
        """The next point, which is neither finished nor running. None if there is no other."""
        taken = self._done | {key(values) for values in running}
        return next((point for point in self._points if key(point) not in taken), None)

    def tell(self, trial: Scored) -> None:
        """Report a finished trial, of this process or of an earlier one."""
        self._done.add(key(trial.values))


class Bayesian:
    """optuna's tree-structured Parzen estimator, which learns from every finished trial."""

    learns = True

    def __init__(self, space: Sequence[Axis], *, maximize: bool, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # With several processes, trials that run count as bad ones, so that the next is elsewhere (constant liar).
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True, n_startup_trials=8)
        self._study = optuna.create_study(direction="maximize" if maximize else "minimize", sampler=sampler)
        self._distributions = {axis.name: _distribution(axis) for axis in space}
        self._typed = {axis.name: axis.typed for axis in space if not isinstance(axis, Choices)}
        self._space = space
        self._random = Random(seed)  # noqa: S311 not for security
        self._suggested: dict[str, Any] = {}
        self._done: set[str] = set()

    def ask(self, running: Sequence[Values]) -> Values | None:
        """The next point, which is neither finished nor running. None if there is no other."""
        import optuna

        taken = self._done | {key(values) for values in running}
        trial = self._study.ask(self._distributions)
        values: dict[str, Value] = {
            name: self._typed[name](value) if name in self._typed else value for name, value in trial.params.items()
        }
        if key(values) not in taken:
            self._suggested[key(values)] = trial
            return values
        # Suggested before: a random point instead.
        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return next((point for point in _draws(self._space, self._random) if key(point) not in taken), None)

    def tell(self, trial: Scored) -> None:
        """Report a finished trial, of this process or of an earlier one."""
        import optuna

        self._done.add(key(trial.values))
        state = optuna.trial.TrialState.FAIL if trial.score is None else optuna.trial.TrialState.COMPLETE
        suggested = self._suggested.pop(key(trial.values), None)
        if suggested is not None:
            self._study.tell(suggested, trial.score, state=state)
        elif trial.score is not None:
            made = optuna.trial.create_trial(
                params=dict(trial.values), distributions=self._distributions, value=trial.score
            )
            self._study.add_trial(made)


def make(name: StrategyName, space: Sequence[Axis], *, maximize: bool, seed: int) -> tuple[Strategy, int | None]:
    """Create a strategy. Also returns the number of points that it can try; None if there is no limit.

    Raises:
        InputError: a grid of a space with ranges, or of too many points.
    """
    if name == "grid":
        points = grid(space)
        return Listed(iter(points)), len(points)
    if name == "random":
        return Listed(_draws(space, Random(seed))), size(space)  # noqa: S311 not for security
    return Bayesian(space, maximize=maximize, seed=seed), size(space)


def _draws(space: Sequence[Axis], random: Random) -> Iterator[dict[str, Value]]:
    """Different random points, until many draws in a row bring no new one."""
    seen: set[str] = set()
    repeated = 0
    while repeated < _DRAWS:
        point = {axis.name: axis.draw(random) for axis in space}
        repeated += 1
        if key(point) not in seen:
            seen.add(key(point))
            repeated = 0
            yield point


def _distribution(axis: Axis) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(axis, Choices):
        return CategoricalDistribution(axis.values)
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)
