"""Child processes end with all their workers, and a later command ends the children of a killed localaws."""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localaws import processes as module
from localaws.processes import Processes, StoppingError, stop_leftovers

# A leader that starts a worker, as gunicorn does, prints its id, and waits.
LEADER = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); time.sleep(60)"


def alive(pid: int) -> bool:
    shown = subprocess.run(["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(shown.stdout.strip()) and not shown.stdout.startswith("Z")


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


@pytest.fixture
def processes(tmp_path):
    made = Processes(tmp_path / "run", tmp_path / "logs")
    yield made
    made.stop_all()


@pytest.fixture(params=["/proc", "ps"])
def process_source(request, monkeypatch, tmp_path):
    """The source of process data: /proc on a system without ps, or ps on a system without /proc."""
    if request.param == "ps":
        monkeypatch.setattr(module, "PROC", tmp_path / "nothing")
    elif not (module.PROC / "self/stat").exists():
        pytest.skip("this system has no /proc")
    else:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/sleep").symlink_to(shutil.which("sleep"))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def leader(processes):
    child = processes.start("leader", [sys.executable, "-c", LEADER], dict(os.environ), Path.cwd())
    worker = int(wait_for(child.log.read_text))
    return child, worker


def test_stop_ends_a_child_with_its_workers_and_removes_its_note(processes, tmp_path):
    child, worker = leader(processes)
    assert alive(worker)
    processes.stop(child)
    assert not child.running
    assert not alive(worker)
    assert not list((tmp_path / "run").iterdir())


def test_stop_kills_a_child_that_ignores_sigterm(processes):
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    child = processes.start("deaf", [sys.executable, "-c", code], dict(os.environ), Path.cwd())
    wait_for(child.log.read_text)
    processes.stop(child, patience=0.3)
    assert not child.running


def test_stop_leftovers_ends_the_noted_processes(processes, tmp_path, process_source):
    child, worker = leader(processes)
    assert stop_leftovers(tmp_path / "run") == ["leader"]
    wait_for(lambda: not alive(worker))
    assert not child.running


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are found by their environment on Linux only")
@pytest.mark.parametrize("note", ["", "{", '{"pid": 1}', '{"pid": 1e999, "started": ""}', "[" * 100_000])
def test_the_process_of_a_damaged_note_is_ended(processes, tmp_path, note):
    child, worker = leader(processes)
    (tmp_path / "run" / "folder.json").mkdir()
    (tmp_path / "run" / "leader.json").write_text(note)
    assert stop_leftovers(tmp_path / "run") == ["leader"]
    wait_for(lambda: not alive(worker))
    assert not child.running


def test_nothing_starts_after_stop_all(processes, tmp_path):
    child, _ = leader(processes)
    processes.stop_all()
    assert not child.running
    with pytest.raises(StoppingError):
        leader(processes)
    assert not list((tmp_path / "run").iterdir())


def test_a_finished_run_leaves_neither_note_nor_log(processes, tmp_path):
    command = ["sh", "-c", "echo out; echo err >&2; exit 3"]
    assert processes.run("short", command) == (3, "out\nerr")
    assert not [*(tmp_path / "run").iterdir(), *(tmp_path / "logs").iterdir()]


def test_stop_all_ends_a_run(processes, tmp_path):
    with ThreadPoolExecutor() as pool:
        running = pool.submit(processes.run, "long", ["sleep", "60"])
        wait_for(lambda: list((tmp_path / "run").iterdir()))
        processes.stop_all()
        with pytest.raises(StoppingError):
            running.result(50)
    assert not [*(tmp_path / "run").iterdir(), *(tmp_path / "logs").iterdir()]


def test_stop_leftovers_ignores_a_process_with_a_reused_id(processes, tmp_path):
    child, worker = leader(processes)
    note = tmp_path / "run" / "leader.json"
    note.write_text(f'{{"pid": {child.process.pid}, "started": "Thu Jan  1 00:00:00 1970"}}')
    assert stop_leftovers(tmp_path / "run") == []
    assert child.running
    assert alive(worker)
