"""Scores are printed so that small ones can be told apart."""

import pytest

from mlflow_common.numbers import short


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.95556, "0.9556"), (0.0, "0.0000"), (1234.5, "1234.5000"), (0.00003, "3e-05"), (-0.012346, "-0.01235")],
)
def test_a_small_number_keeps_its_digits(value: float, expected: str) -> None:
    assert short(value) == expected


def test_the_number_of_digits_can_be_chosen() -> None:
    assert (short(0.95556, 3), short(0.00031234, 3)) == ("0.956", "0.000312")
