"""Waiting: news at once, a sign of life each minute, an end."""

import itertools

import pytest

from mlflow_common.errors import PlatformError
from mlflow_common.waiting import wait_for
from tests.platform.conftest import FakeClock


def wait(clock: FakeClock, said: list[str], states: list[str], timeout: float = 1000) -> str:
    return wait_for(
        lambda: states.pop(0) if len(states) > 1 else states[0],
        settled=lambda state: state == "done",
        describe=lambda state: f"it is {state}",
        progress=said.append,
        clock=clock,
        timeout=timeout,
    )


def test_what_has_settled_is_not_waited_for(clock: FakeClock, said: list[str]) -> None:
    assert wait(clock, said, ["done"]) == "done"
    assert clock.slept == 0


def test_each_change_is_said_once(clock: FakeClock, said: list[str]) -> None:
    wait(clock, said, ["new", "new", "old", "old", "done"])
    assert said == ["it is new", "it is old", "it is done"]


def test_a_long_wait_gives_a_sign_of_life_each_minute(clock: FakeClock, said: list[str]) -> None:
    with pytest.raises(PlatformError):
        wait(clock, said, ["slow"], timeout=250)
    assert said == ["it is slow"] + [f"it is slow (for {minutes} min)" for minutes in (1, 2, 3, 4)]


def test_looks_become_rarer_but_never_rarer_than_every_15_seconds(clock: FakeClock, said: list[str]) -> None:
    looks: list[float] = []

    def look() -> str:
        looks.append(clock.now())
        return "done" if clock.now() > 300 else "slow"

    wait_for(look, settled="done".__eq__, describe=str, progress=said.append, clock=clock, timeout=1000)
    pauses = [later - earlier for earlier, later in itertools.pairwise(looks)]
    assert pauses[0] == 0.5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 15
