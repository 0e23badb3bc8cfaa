"""What a container runs: the serving image's entry point, in an environment of this machine or in the image itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from localaws.processes import Command
from localaws.settings import REPOSITORY

_ENTRY_POINT = REPOSITORY / "serving" / "serve"


@dataclass(frozen=True)
class Program:
    """A command, the variables that its environment has, and where its process finds the model."""

    command: Command
    env: Mapping[str, str]
    model: str

    @classmethod
    def of_python(cls, interpreter: Path, folder: Path) -> Self:
        """The entry point in a Python environment of this machine. `folder` has the model in `model/`."""
        return cls.of_script(interpreter, _ENTRY_POINT, folder, "serve")

    @classmethod
    def of_script(cls, interpreter: Path, script: Path, folder: Path, *arguments: str) -> Self:
        """A script in a Python environment of this machine. `folder` has the model in `model/`."""
        env = {
            "PATH": f"{interpreter.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        }
        return cls([interpreter, script, *arguments], env, str(folder / "model"))
