"""Checks before the work that its results can be written, so that none is lost after it."""

from __future__ import annotations

import os
from pathlib import Path

from mlflow_common.errors import InputError


def check_output_file(file: Path, option: str = "--output", *, source: Path | None = None) -> None:
    """Check that a file can be written, and is not the one that is read.

    Raises:
        InputError: it cannot, or it is.
    """
    if file.is_dir():
        raise InputError(f"{option}: {file} is a folder. Name a file.")
    if source and file.exists() and source.exists() and file.samefile(source):
        raise InputError(f"{option}: {file} is the file that is read, and would be replaced. Name another one.")
    if file.exists() and not os.access(file, os.W_OK):
        raise InputError(f"{option}: {file} cannot be written. Name another file.")
    if not file.exists():
        check_output_folder(file.parent, option)


def check_output_folder(folder: Path, option: str = "--output") -> None:
    """Check that files can be written into a folder, which need not exist.

    Raises:
        InputError: they cannot.
    """
    nearest = next(one for one in (folder, *folder.absolute().parents) if os.path.lexists(one))
    if not nearest.is_dir():
        raise InputError(f"{option}: {nearest} is not a folder. Name another place.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"{option}: {nearest} is a folder that you may not write to. Name another place.")
