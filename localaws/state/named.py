"""Named copies of a saved state: `save` keeps one, `restore` brings it back, also into another home."""

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from localaws.home import claim
from localaws.settings import Settings
from localaws.state import files
from localaws.state.files import StateError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def save(settings: Settings, name: str) -> Path:
    """Copies the saved state of a stopped localaws; a copy of the same name is replaced.

    Raises:
        StateError: there is no saved state, or the name is not one.
    """
    _check(name)
    if files.read(settings) is None:
        raise StateError("There is no saved state: start localaws, and stop it with `python -m localaws down`.")
    target = settings.saved / name
    draft = settings.saved / f".{name}.part"
    shutil.rmtree(draft, ignore_errors=True)
    _copy(settings.data, draft)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    return target


def restore(settings: Settings, name: str) -> None:
    """Replaces the state of a stopped localaws by a named copy.

    Raises:
        StateError: there is no such copy, or it cannot be read; then the state stays as it was.
    """
    _check(name)
    source = settings.saved / name
    if not source.is_dir():
        names = ", ".join(sorted(one.name for one in settings.saved.glob("[!.]*"))) or "none"
        raise StateError(f"There is no saved state named {name}. Saved: {names}.")
    adopt(settings, source)


def adopt(settings: Settings, source: Path) -> None:
    """Replaces the state of a stopped localaws by a copy of a `data` folder, which may be another localaws's.

    Raises:
        StateError: the folder has no readable state; then the state stays as it was.
        HomeError: the home holds files that no localaws wrote, or cannot be written.
    """
    claim(settings)
    draft = settings.home / "data.part"
    shutil.rmtree(draft, ignore_errors=True)
    _copy(source, draft)
    kept = settings.home / "data.before"
    shutil.rmtree(kept, ignore_errors=True)
    if settings.data.exists():
        settings.data.rename(kept)
    draft.rename(settings.data)
    try:
        saved = files.read(settings)
        if saved is None:
            raise StateError(f"{source} holds no saved state.")
    except StateError:
        shutil.rmtree(settings.data)
        if kept.exists():
            kept.rename(settings.data)
        raise
    shutil.rmtree(kept, ignore_errors=True)
    files.restore_terraform(settings, saved.port)


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        raise StateError(f"{name!r} is not a name for a state: use letters, digits, '.', '_' and '-'.")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Endpoints unpack their models again; the call log belongs to the localaws that wrote it.
    skipped = shutil.ignore_patterns("endpoints", "calls*.jsonl", "*.part")
    shutil.copytree(source, target, ignore=skipped, copy_function=_copy_file)
    target.chmod(0o700)


def _copy_file(source: str, target: str) -> None:
    """Copies a file. The registry's layers are large and never change, so they are shared."""
    if f"{os.sep}registry{os.sep}" in source:
        with suppress(OSError):  # The target may be on another disk.
            os.link(source, target)
            return
    shutil.copy2(source, target)
