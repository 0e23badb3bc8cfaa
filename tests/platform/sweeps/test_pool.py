"""The processes of a sweep, and Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlflow_platform.sweeps import pool

# Tests that are started in the background of a shell ignore SIGINT.
PROGRAM = """\
import signal
import sys
from mlflow_platform.sweeps.pool import open_pool

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("started", flush=True)
    try:
        with open_pool(1) as pool:
            pool.submit(abs, -1).result()
    except KeyboardInterrupt:
        sys.exit(130)
"""


def test_an_interrupt_waits_until_the_process_is_started() -> None:
    done: list[str] = []

    def start() -> None:
        with pool._interrupted_later():
            signal.raise_signal(signal.SIGINT)
            done.append("started")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            start()
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["started"]


def test_ctrl_c_while_the_processes_start_prints_no_traceback(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    started = subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert started.stdout
    assert started.stdout.readline() == "started\n"
    # The fork server imports scikit-learn and XGBoost, which takes longer.
    time.sleep(0.5)
    # As a terminal does: to all processes of the command.
    os.killpg(started.pid, signal.SIGINT)
    _, errors = started.communicate(timeout=120)
    assert (started.returncode, errors) == (130, "")
