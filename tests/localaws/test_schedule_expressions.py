"""The schedule expressions that EventBridge Scheduler takes."""

import pytest

from localaws.schedule_expressions import is_valid


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 8 ? * MON-FRI *)",
        "cron(30 2 * * ? *)",
        "cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)",
        "cron(1-31/30 1-1 ? * 1,7 *)",
        "cron(0/15 0-23 1,15 JAN-MAR,12 ? 2026-2030)",
        "cron(0 10 LW * ? *)",
        "cron(0 10 3W * ? *)",
        "cron(0 10 ? * 6#3 *)",
        "cron(0 10 ? * 5L *)",
        "rate(1 minute)",
        "rate(12 hours)",
        "at(2027-02-28T10:00:00)",
    ],
)
def test_a_documented_expression_is_valid(expression: str) -> None:
    assert is_valid(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 24 ? * MON *)",
        "cron(60 8 ? * MON *)",
        "cron(0 8 * * * *)",
        "cron(0 8 ? * ? *)",
        "cron(0 8 32 * ? *)",
        "cron(0 8 ? 13 MON *)",
        "cron(0 8 ? * 8 *)",
        "cron(15 12 ? * -1 *)",
        "cron(0 8 ? * 3#1,6#3 *)",
        "cron(0 8 ? * MON)",
        "cron(0/0 8 ? * MON *)",
        "cron(0 8 ? * MON 1969)",
        "rate(0 minutes)",
        "rate(10 seconds)",
        "at(2027-02-30T10:00:00)",
        "every day",
        "",
    ],
)
def test_another_expression_is_not(expression: str) -> None:
    assert not is_valid(expression)
