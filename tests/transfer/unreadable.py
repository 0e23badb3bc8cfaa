"""Runs the command line with one file that cannot be read.

Usage: python -m tests.transfer.unreadable NAME ARGUMENT…
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from mlflow_transfer import cli
from mlflow_transfer.stores import Folder, UnreadableError

if __name__ == "__main__":
    name = sys.argv.pop(1)
    plain = Folder.read

    def read(self: Folder, path: str) -> Iterator[bytes]:
        if Path(path).name == name:
            raise UnreadableError(f"{path} cannot be read")
        return plain(self, path)

    Folder.read = read  # type: ignore[method-assign]
    cli.main()
