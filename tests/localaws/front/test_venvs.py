"""Virtual environments are complete or absent, even if a build is interrupted."""

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localaws.processes import Command, Processes, StoppingError
from localaws.venvs import BuildError, Venvs


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path / "run", tmp_path / "logs")
    yield made
    made.stop_all()


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text("")
    return file


def test_an_ended_build_leaves_no_files(tmp_path: Path, processes: Processes, requirements: Path) -> None:
    folder = tmp_path / "venvs"
    slow = 'mkdir -p "$0/bin" && touch "$0/bin/python" && exec sleep 300'
    venvs = Venvs(folder, lambda name, command: processes.run(name, ["sh", "-c", slow, command[-1]]))
    with ThreadPoolExecutor() as pool:
        building = pool.submit(venvs.python, requirements)
        deadline = time.monotonic() + 60
        while not list(folder.glob("*/bin/python")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        processes.stop_all()
        venvs.close()
        assert list(folder.iterdir()) == []
        with pytest.raises(StoppingError):
            building.result(60)


def test_the_next_build_removes_the_draft_of_a_killed_build(tmp_path: Path, requirements: Path) -> None:
    made: list[Path] = []

    def run(_: str, command: Command) -> tuple[int, str]:
        if command[1] == "venv":
            draft = Path(command[-1])
            (draft / "bin").mkdir(parents=True)
            (draft / "bin/python").touch()
            made.append(draft)
        return 0, ""

    folder = tmp_path / "venvs"
    Venvs(folder / "first", run).python(requirements)
    key = made[0].stem
    # No process has the first id. The second one belongs to a running process.
    killed, another = folder / f"{key}.{2**30}", folder / f"{key}.{os.getppid()}"
    for left in (killed, another):
        left.mkdir(parents=True)
    assert Venvs(folder, run).python(requirements) == folder / key / "bin/python"
    assert not killed.exists()
    assert another.exists()


@pytest.mark.parametrize("python", [None, f"{sys.version_info.major}.{sys.version_info.minor}", ">=3.11,<4"])
def test_the_python_that_runs_localaws_need_not_be_on_the_path(
    tmp_path: Path, requirements: Path, python: str | None
) -> None:
    commands: list[Command] = []

    def record(_name: str, command: Command) -> tuple[int, str]:
        commands.append(command)
        return 1, "stop here"

    with pytest.raises(BuildError):
        Venvs(tmp_path / "venvs", record).python(requirements, python)
    assert list(map(str, commands[0]))[-3:-1] == ["--python", sys.executable]
