"""Waiting: reports changes at once, repeats them once a minute, and ends after a time-out."""

import itertools

import pytest

from mlflow_common.errors import PlatformError
from mlflow_common.waiting import wait_for
from tests.platform.conftest import FakeClock


def wait(clock: FakeClock, messages: list[str], states: list[str], timeout: float = 1000) -> str:
    return wait_for(
        lambda: states.pop(0) if len(states) > 1 else states[0],
        settled=lambda state: state == "done",
        describe=lambda state: f"it is {state}",
        progress=messages.append,
        clock=clock,
        timeout=timeout,
    )


def test_returns_at_once_if_the_state_is_final(clock: FakeClock, messages: list[str]) -> None:
    assert wait(clock, messages, ["done"]) == "done"
    assert clock.slept == 0


def test_reports_each_change_once(clock: FakeClock, messages: list[str]) -> None:
    wait(clock, messages, ["new", "new", "old", "old", "done"])
    assert messages == ["it is new", "it is old", "it is done"]


def test_reports_once_a_minute_during_a_long_wait(clock: FakeClock, messages: list[str]) -> None:
    with pytest.raises(PlatformError):
        wait(clock, messages, ["slow"], timeout=250)
    assert messages == ["it is slow"] + [f"it is slow (for {minutes} min)" for minutes in (1, 2, 3, 4)]


def test_looks_at_growing_intervals_of_at_most_15_seconds(clock: FakeClock, messages: list[str]) -> None:
    looks: list[float] = []

    def look() -> str:
        looks.append(clock.now())
        return "done" if clock.now() > 300 else "slow"

    wait_for(look, settled="done".__eq__, describe=str, progress=messages.append, clock=clock, timeout=1000)
    pauses = [later - earlier for earlier, later in itertools.pairwise(looks)]
    assert pauses[0] == 0.5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 15
