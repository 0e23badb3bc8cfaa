"""The running hours of a server that is started and stopped by cron expressions."""

import pytest

from mlflow_platform.plan_guard.running_hours import HOURS_PER_MONTH, monthly_hours

WEEKDAY = 261 / 365 / 24 * HOURS_PER_MONTH  # An hour on every weekday of 2026.
DAY = HOURS_PER_MONTH / 24


@pytest.mark.parametrize(
    ("start", "stop", "hours"),
    [
        ("cron(0 8 ? * MON-FRI *)", "cron(0 20 ? * MON-FRI *)", 12 * WEEKDAY),
        ("cron(0 8 ? * 2-6 *)", "cron(0 20 ? * 2-6 *)", 12 * WEEKDAY),
        ("cron(30 6 * * ? *)", "cron(0 19 * * ? *)", 12.5 * DAY),
        # Over midnight: from eight in the evening until six.
        ("cron(0 20 * * ? *)", "cron(0 6 * * ? *)", 10 * DAY),
        # Two shifts.
        ("cron(0 6,14 * * ? *)", "cron(0 10,18 * * ? *)", 8 * DAY),
        # It stops every night, but starts only on Mondays: one day per week.
        ("cron(0 0 ? * MON *)", "cron(59 23 * * ? *)", 52 * (24 - 1 / 60) / 365 / 24 * HOURS_PER_MONTH),
        ("cron(0 8 1 JAN ? *)", "cron(0 8 2 1 ? *)", 24 / 365 / 24 * HOURS_PER_MONTH),
        ("cron(0 0/12 * * ? *)", "cron(0 6/12 * * ? *)", 12 * DAY),
    ],
)
def test_counts_the_hours_between_start_and_stop(start: str, stop: str, hours: float) -> None:
    assert monthly_hours([start], [stop]) == pytest.approx(hours)


def test_a_server_without_a_stop_always_runs() -> None:
    assert monthly_hours(["cron(0 8 * * ? *)"], []) == HOURS_PER_MONTH
    assert monthly_hours([], []) == HOURS_PER_MONTH


@pytest.mark.parametrize(
    "expression",
    [
        "rate(12 hours)",
        "at(2026-11-21T20:00:00)",
        "cron(0 20 L * ? *)",
        "cron(0 20 ? * 6#3 *)",
        "cron(0 20 * * ? 2027)",
        "cron(0 25 * * ? *)",
        "cron(0 20 * * *)",
    ],
)
def test_rejects_expressions_that_cannot_be_evaluated(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        monthly_hours(["cron(0 8 * * ? *)"], [expression])


def test_a_stop_without_a_start_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing starts it again"):
        monthly_hours([], ["cron(0 20 * * ? *)"])
