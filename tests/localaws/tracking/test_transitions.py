"""The threads that watch the processes of tracking servers."""

import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localaws.processes import Child
from localaws.tracking.transitions import Transitions


@pytest.mark.parametrize("closed", [False, True])
def test_the_end_of_a_process_is_unexpected_unless_localaws_stops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, closed: bool
) -> None:
    ended: list[Any] = []
    transitions: Transitions[Any] = Transitions(SimpleNamespace(), SimpleNamespace(), ended.append)  # type: ignore[arg-type]
    child = Child("server", subprocess.Popen([sys.executable, "-IS", "-c", ""]), tmp_path / "log")
    hosted = SimpleNamespace(child=child, status="Created", title="Tracking Server", name="a")
    if closed:
        transitions.close()
    with caplog.at_level(logging.ERROR):
        transitions._watch(hosted, child)
    assert ended == ([] if closed else [hosted])
    assert ("exited unexpectedly" in caplog.text) is not closed
