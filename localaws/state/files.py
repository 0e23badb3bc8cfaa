"""The files of a saved state, below `$LOCALAWS_HOME/data`.

- `state.json`: what localaws itself keeps, the versions that can read the state, and a checksum of:
- `moto.pickle`: moto's resources;
- `terraform/`: the Terraform states and variables of the mirror, as they were at the time of the save;
- `tracking/`: the tracking servers' databases, which the servers write themselves.

Files are private to the user (mode 0600, folders 0700): they hold keys and data.
"""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from localaws.settings import Settings

# Increase it when the content of state.json, or what localaws sets on moto's objects, changes its meaning.
FORMAT = 1
TERRAFORM = ("terraform.tfstate*", "*.localaws.auto.tfvars.json")
RESET = "Run `python -m localaws reset` (or `make local-reset`) to delete it and start empty."


class StateError(Exception):
    """A saved state cannot be read; the text says why and what to do."""


@dataclass(frozen=True)
class SavedState:
    """A state that was read from disk.

    Attributes:
        parts: what localaws's own parts saved, by their names.
        port: the port of the localaws that saved it; addresses in the Terraform states have it.
        saved: when.
    """

    parts: dict[str, Any]
    port: int
    saved: datetime


def unsaved_marker(settings: Settings) -> Path:
    """A file that exists while localaws runs: it has changes that are not saved."""
    return settings.run / "unsaved"


def versions() -> dict[str, Any]:
    """What must be equal for a state to be readable: moto's classes are stored with it."""
    return {
        "format": FORMAT,
        "moto": version("moto"),
        "python": ".".join(platform.python_version_tuple()[:2]),
    }


def exists(settings: Settings) -> bool:
    """Whether a state was saved."""
    return _manifest(settings).exists()


def write(settings: Settings, parts: dict[str, Any], dump_moto: Callable[[IO[bytes]], None]) -> None:
    """Saves a state; the one before is replaced only when the new one is complete.

    Raises:
        OSError: it cannot be written.
        Exception: `dump_moto`'s own.
    """
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    pickled = settings.data / "moto.pickle"
    draft = pickled.with_suffix(".part")
    with _private(draft) as file:
        dump_moto(file)
        file.flush()
        os.fsync(file.fileno())
    with draft.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    manifest = {
        "versions": versions(),
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
        "port": settings.port,
        "sha256": checksum,
        "parts": parts,
    }
    _keep_terraform(settings)
    new = _manifest(settings).with_suffix(".part")
    with _private(new) as file:
        file.write(json.dumps(manifest, indent=1).encode())
    # The checksum ties the two files together: a crash between the two renames is noticed.
    draft.replace(pickled)
    new.replace(_manifest(settings))


def read(settings: Settings, load_moto: Callable[[IO[bytes]], None] | None = None) -> SavedState | None:
    """Reads the saved state; None if there is none.

    Args:
        settings: whose state.
        load_moto: reads moto's resources; without it they are only checked.

    Raises:
        StateError: it is damaged, or another version of moto, Python or localaws saved it.
        Exception: `load_moto`'s own.
    """
    if not exists(settings):
        return None
    where = f"The saved state in {settings.data}"
    try:
        manifest = json.loads(_manifest(settings).read_text())
        saved = SavedState(manifest["parts"], int(manifest["port"]), datetime.fromisoformat(manifest["saved"]))
        found, checksum = manifest["versions"], manifest["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StateError(f"{where} is damaged: state.json is not readable ({error}). {RESET}") from None
    if found != versions():
        raise StateError(f"{where} was saved by {_say(found)}; this is {_say(versions())}. {RESET}")
    try:
        with (settings.data / "moto.pickle").open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != checksum:
                raise StateError(f"{where} is damaged: moto.pickle is not the one that was saved. {RESET}")
            if load_moto:
                file.seek(0)
                load_moto(file)
    except OSError as error:
        raise StateError(f"{where} is damaged: {error}. {RESET}") from None
    return saved


def restore_terraform(settings: Settings, port: int) -> None:
    """Puts the saved Terraform states into the mirror, with this localaws's port in place of `port`."""
    for file in _mirrored(settings.terraform):
        file.unlink()
    kept = settings.data / "terraform"
    for file in _mirrored(kept):
        target = settings.terraform / file.relative_to(kept)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_text().replace(f"{settings.host}:{port}", f"{settings.host}:{settings.port}")
        with _private(target) as written:
            written.write(text.encode())


def delete(settings: Settings) -> None:
    """Deletes the state and the mirror's Terraform states. Named copies stay."""
    if settings.data.exists():
        shutil.rmtree(settings.data)
    for file in _mirrored(settings.terraform):
        file.unlink()


def _keep_terraform(settings: Settings) -> None:
    kept = settings.data / "terraform"
    shutil.rmtree(kept, ignore_errors=True)
    for file in _mirrored(settings.terraform):
        target = kept / file.relative_to(settings.terraform)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        target.chmod(0o600)


def _mirrored(folder: Path) -> Iterator[Path]:
    """What `make apply` and `make upgrade` write into an environment's root.

    Not the folder `terraform.tfstate.d`, which Terraform makes for workspaces.
    """
    for pattern in TERRAFORM:
        yield from (file for file in folder.glob(f"mlflow/terraform/*/{pattern}") if file.is_file())


def _manifest(settings: Settings) -> Path:
    return settings.data / "state.json"


def _private(file: Path) -> IO[bytes]:
    """Opens a file for writing that only the user can read."""
    file.unlink(missing_ok=True)
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _say(found: Any) -> str:
    if not isinstance(found, dict):
        return "an unknown version"
    return ", ".join(f"{name} {value}" for name, value in found.items())
