"""The commands of a proof: their output, time limits and interrupts."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import PlatformError
from mlflow_platform.proving.commands import Runner


def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path, dict(os.environ), tmp_path / "logs")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_command_returns_what_it_printed(tmp_path: Path) -> None:
    assert runner(tmp_path).run("greet", python("import os; print(os.environ['A'])"), minutes=1, A="hello") == "hello\n"


def test_a_failed_command_shows_its_last_error(tmp_path: Path) -> None:
    code = "import sys; print('Error: no role', file=sys.stderr); print('bye', file=sys.stderr); sys.exit(3)"
    with pytest.raises(PlatformError, match=r"apply ended with status 3: Error: no role \(its output: .*apply.log\)"):
        runner(tmp_path).run("apply", python(code), minutes=1)


def test_a_command_that_does_not_end_is_interrupted(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="did not end within"):
        runner(tmp_path).run("apply", ["sleep", "600"], minutes=1 / 600)


def test_an_interrupt_waits_until_the_command_has_ended(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n    open('ended', 'w').close()\n    sys.exit(1)\n"
        "signal.signal(signal.SIGINT, end)\nopen('ready', 'w').close()\n"
        "while True:\n    time.sleep(0.05)"
    )

    def interrupt() -> None:
        while not (tmp_path / "ready").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    # Where the tests run in the background of a shell, SIGINT is ignored.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sender = threading.Thread(target=interrupt)
        sender.start()
        with pytest.raises(KeyboardInterrupt):
            runner(tmp_path).run("apply", python(code), minutes=5)
        sender.join()
    finally:
        signal.signal(signal.SIGINT, former)
    assert (tmp_path / "ended").exists()


def test_a_second_interrupt_still_waits_until_the_command_has_ended(tmp_path: Path) -> None:
    received, progress = list[int](), list[str]()

    def handle(number: int, _: Any) -> None:
        received.append(number)
        raise KeyboardInterrupt

    code = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    pathlib.Path('interrupted').touch()\n"
        "    while not pathlib.Path('release').exists():\n        time.sleep(0.02)\n"
        "    pathlib.Path('ended').touch()\n    sys.exit(1)\n"
        "signal.signal(signal.SIGINT, end)\npathlib.Path('ready').touch()\n"
        "while True:\n    time.sleep(0.02)"
    )

    def interrupt_twice() -> None:
        for number, (file, sent) in enumerate((("ready", signal.SIGINT), ("interrupted", signal.SIGTERM)), start=1):
            until((tmp_path / file).exists)
            os.kill(os.getpid(), sent)
            until(lambda number=number: len(received) == number)  # type: ignore[misc]
        (tmp_path / "release").touch()

    def until(condition: Callable[[], bool]) -> None:
        while not condition():
            time.sleep(0.02)

    former = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    sender = threading.Thread(target=interrupt_twice, daemon=True)
    try:
        sender.start()
        with pytest.raises(KeyboardInterrupt):
            Runner(tmp_path, dict(os.environ), tmp_path / "logs", progress.append).run("apply", python(code), minutes=5)
        assert (tmp_path / "ended").exists()
        sender.join()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    assert received == [signal.SIGINT, signal.SIGTERM]
    assert progress == ["waiting until apply has ended"]
