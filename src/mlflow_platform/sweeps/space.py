"""The space that a sweep searches: for each parameter a list of values, or a range.

It is written as `max_depth=2,3,5`, `learning_rate=0.01..0.3`, `learning_rate=0.001..1:log`, or, with a number of
points for a grid, `learning_rate=0.001..1:log:50`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError

if TYPE_CHECKING:
    from random import Random

Value = int | float
Values = Mapping[str, Value]
MOST_TRIALS = 10_000


@dataclass(frozen=True)
class Choices:
    """A parameter with a list of values."""

    name: str
    values: tuple[Value, ...]

    @property
    def extremes(self) -> tuple[Value, ...]:
        """Values to check before the sweep starts."""
        return self.values

    def draw(self, random: Random) -> Value:
        """A random value."""
        return random.choice(self.values)


@dataclass(frozen=True)
class Range:
    """A parameter with a range, both ends included. `whole`: only whole numbers. `log`: on a logarithmic scale."""

    name: str
    low: float
    high: float
    whole: bool
    log: bool

    @property
    def extremes(self) -> tuple[Value, ...]:
        """Values to check before the sweep starts."""
        return (self.typed(self.low), self.typed(self.high))

    def draw(self, random: Random) -> Value:
        """A random value."""
        if self.log:
            value = math.exp(random.uniform(math.log(self.low), math.log(self.high)))
            return self.typed(min(max(value, self.low), self.high))
        return random.randint(int(self.low), int(self.high)) if self.whole else random.uniform(self.low, self.high)

    def points(self, count: int) -> tuple[Value, ...]:
        """That many values at equal distances, both ends included."""
        shares = [number / (count - 1) for number in range(count)]
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            values = [self.low, *(math.exp(low + share * (high - low)) for share in shares[1:-1]), self.high]
        else:
            values = [self.low + share * (self.high - self.low) for share in shares]
        return tuple(dict.fromkeys(self.typed(value) for value in values))

    def typed(self, value: float) -> Value:
        """The value as a whole number if the parameter takes only these; else with six digits, which are readable."""
        return round(value) if self.whole else float(f"{value:.6g}")


Axis = Choices | Range


def parse(texts: Iterable[str], types: Mapping[str, type]) -> list[Axis]:
    """Parse a space.

    Args:
        texts: one parameter each, such as `max_depth=2,3,5`.
        types: the type (int or float) of each parameter that exists.

    Raises:
        InputError: an unknown or repeated parameter, a value of the wrong type, or a range that is empty.
    """
    axes: list[Axis] = []
    for text in texts:
        name, separator, rest = text.partition("=")
        if not separator or name not in types:
            raise InputError(f"--param: {text!r} is not NAME=VALUES with a NAME out of {', '.join(types)}")
        if any(axis.name == name for axis in axes):
            raise InputError(f"--param: {name} is given twice. Give all its values in one --param.")
        axes.append(_range(name, rest, types[name]) if ".." in rest else _choices(name, rest, types[name]))
    return axes


def _choices(name: str, text: str, kind: type) -> Choices:
    return Choices(name, tuple(dict.fromkeys(_number(name, part, kind) for part in text.split(","))))


def _range(name: str, text: str, kind: type) -> Axis:
    ends, *options = text.split(":")
    low, high = (float(_number(name, part, kind)) for part in ends.split("..", 1))
    log = "log" in options
    counts = [option for option in options if option != "log"]
    if not low < high or (log and low <= 0):
        raise InputError(f"--param: {name}={text} is empty. Write LOW..HIGH with LOW < HIGH (above 0 with :log).")
    if len(counts) > 1 or options.count("log") > 1:
        raise InputError(f"--param: {name}={text} is not LOW..HIGH, LOW..HIGH:log or LOW..HIGH:log:POINTS")
    axis = Range(name, low, high, whole=kind is int, log=log)
    if not counts:
        return axis
    count = int(_number(f"the number of points of {name}", counts[0], int))
    if not 2 <= count <= MOST_TRIALS:
        raise InputError(f"--param: {name} needs from 2 to {MOST_TRIALS} points, not {count}")
    return Choices(name, axis.points(count))


def _number(name: str, text: str, kind: type) -> Value:
    try:
        value: Value = kind(text)
    except ValueError:
        raise InputError(f"--param: {name} takes numbers of type {kind.__name__}, not {text!r}") from None
    if not math.isfinite(value):
        raise InputError(f"--param: {name} takes finite numbers, not {text!r}")
    return value


def size(space: Sequence[Axis]) -> int | None:
    """The number of points of a space; None if a parameter has a range of decimal numbers."""
    total = 1
    for axis in space:
        if isinstance(axis, Choices):
            total *= len(axis.values)
        elif axis.whole:
            total *= int(axis.high) - int(axis.low) + 1
        else:
            return None
    return total


def grid(space: Sequence[Axis]) -> list[dict[str, Value]]:
    """Every point of a space of lists.

    Raises:
        InputError: a parameter has a range without a number of points, or there are too many points.
    """
    lists: list[tuple[Value, ...]] = []
    for axis in space:
        if isinstance(axis, Range):
            raise InputError(
                f"--param: a grid needs the values of {axis.name}. Write a list, or a number of points: LOW..HIGH:10."
            )
        lists.append(axis.values)
    if math.prod(map(len, lists)) > MOST_TRIALS:
        raise InputError(f"the grid has more than {MOST_TRIALS} points. Give fewer values, or use --strategy random.")
    return [dict(zip((axis.name for axis in space), point, strict=True)) for point in itertools.product(*lists)]
