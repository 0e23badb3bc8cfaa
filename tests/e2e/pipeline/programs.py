"""Scripts that run beside the tests, and a project that is not this repository's."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.deployed import REPOSITORY, Deployed
from tests.support.waiting import eventually

# As small as a project can be. Replace {name}.
MLPROJECT = """\
name: {name}
entry_points:
  prepare:
    parameters: {data: string, output: {type: string, default: out}}
    command: "cp {data}/* {output}"
  train:
    parameters: {prepared: string, model: {type: string, default: model}}
    command: "python train.py {model}"
  evaluate:
    parameters: {output: string}
    command: "python evaluate.py {output}"
"""


@dataclass
class Started:
    """A script that runs."""

    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until it has printed so many lines with a text."""
        assert eventually(lambda: sum(text in line for line in self.lines) >= times, 180), self.lines

    def end(self) -> tuple[int, str]:
        """Wait for its end. Returns its exit status and what it has printed."""
        return self.process.wait(600), "".join(self.lines)


@contextmanager
def started(environment: Deployed, script: str, *options: str) -> Iterator[Started]:
    """A script in a process group of its own, with the lines of its progress. At the end it is killed."""
    where = ["--env", environment.name, *(["--local"] if environment.local else [])]
    with subprocess.Popen(
        [sys.executable, REPOSITORY / f"scripts/{script}.py", *options, *where],
        env=environment.environ,
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        made = Started(process)
        reader = threading.Thread(target=lambda: made.lines.extend(process.stderr or []))
        reader.start()
        try:
            yield made
        finally:
            process.kill()
            reader.join()
