"""The space of a sweep: lists and ranges as they are written, and what is refused."""

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.sweeps.space import Choices, Range, grid, parse, size

TYPES = {"depth": int, "rate": float}


def test_lists_keep_the_type_of_the_parameter() -> None:
    assert parse(["depth=2,3,3", "rate=1,0.5"], TYPES) == [Choices("depth", (2, 3)), Choices("rate", (1.0, 0.5))]


def test_a_range_may_be_logarithmic_and_may_have_points() -> None:
    assert parse(["rate=0.01..1:log"], TYPES) == [Range("rate", 0.01, 1.0, whole=False, log=True)]
    [points] = parse(["rate=0.01..1:log:3"], TYPES)
    assert points == Choices("rate", (0.01, 0.1, 1.0))
    assert parse(["depth=1..4:3"], TYPES) == [Choices("depth", (1, 2, 4))]


def test_a_grid_has_every_combination() -> None:
    axes = parse(["depth=1,2", "rate=0.1,0.2,0.3"], TYPES)
    assert len(grid(axes)) == size(axes) == 6
    assert grid(axes)[1] == {"depth": 1, "rate": 0.2}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("trees=1", "NAME=VALUES with a NAME out of depth, rate"),
        ("depth", "NAME=VALUES"),
        ("depth=two", "depth takes numbers of type int, not 'two'"),
        ("depth=1.5", "depth takes numbers of type int"),
        ("depth=", "depth takes numbers"),
        ("rate=nan", "finite"),
        ("rate=1..0.1", "is empty"),
        ("rate=0..1:log", "above 0 with :log"),
        ("rate=0..1:3:4", "is not LOW..HIGH"),
        ("rate=0..1:1", "from 2 to 10000 points"),
        ("rate=0..1:few", "the number of points of rate"),
    ],
)
def test_a_wrong_space_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        parse([text], TYPES)


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="given twice"):
        parse(["depth=1", "depth=2"], TYPES)


def test_a_grid_of_a_range_and_a_huge_grid_are_refused() -> None:
    with pytest.raises(InputError, match="a grid needs the values of rate"):
        grid(parse(["rate=0..1"], TYPES))
    with pytest.raises(InputError, match="more than 10000 points"):
        grid(parse(["rate=0..1:5000", "depth=1,2,3"], TYPES))
