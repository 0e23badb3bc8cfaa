"""The home of a localaws: which folders it takes, and which it leaves to the user."""

from collections.abc import Mapping
from pathlib import Path

from localaws.settings import Settings
from localaws.state import files


class HomeError(Exception):
    """Why a folder cannot be the home of a localaws; `status` is the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def claim(settings: Settings) -> None:
    """Make a folder the private home of a localaws, before anything else is written into it.

    Raises:
        HomeError: it holds files that no localaws wrote, or cannot be written.
    """
    check(settings)
    for folder in (settings.home, settings.logs, settings.run):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        except OSError as error:
            raise _unusable(folder, error) from None
    try:
        settings.command_file.touch(mode=0o600)
    except OSError as error:
        raise _unusable(settings.command_file.parent, error) from None


def check(settings: Settings) -> None:
    """Refuse a folder that is not a home, before a command reads or writes there. One that does not exist is accepted.

    A folder of the user would become private, and `down` and `reset` would delete its `env` and `data`.

    Raises:
        HomeError: it is not a folder, cannot be read, or holds files that no localaws wrote.
    """
    try:
        _check_contents(settings, {entry.name for entry in settings.home.iterdir()})
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(settings.home, error) from None


def write_env(settings: Settings, variables: Mapping[str, str]) -> None:
    """Write the variables that point clients to localaws: all or none. With half of them, a client could reach AWS.

    Raises:
        OSError: they cannot be written.
    """
    draft = settings.env_file.with_suffix(".part")
    draft.touch(mode=0o600)
    draft.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    draft.replace(settings.env_file)


def _unusable(folder: Path, error: OSError) -> HomeError:
    return HomeError(f"{folder} cannot be the folder for localaws's data ({error.strerror}): set LOCALAWS_HOME.", 2)


def _check_contents(settings: Settings, found: set[str]) -> None:
    # A start makes the first two folders first, and may be killed before it writes a file. Users bring named copies.
    begun = found <= {settings.run.name, settings.logs.name, settings.saved.name}
    begun = begun and not any(map(_filled, (settings.run, settings.logs))) and _holds_copies(settings.saved)
    if not begun and not _has_run(settings):
        raise HomeError(f"{settings.home} holds other files: set LOCALAWS_HOME to a new or empty folder.", 3)
    written = (settings.data / "state.json", settings.data / "calls.jsonl", files.unsaved_marker(settings))
    if _filled(settings.data) and not any(path.is_file() for path in written):
        raise HomeError(f"{settings.data} holds other files: set LOCALAWS_HOME to a new or empty folder.", 3)


def _filled(folder: Path) -> bool:
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))


def _holds_copies(saved: Path) -> bool:
    """Whether a folder holds only named copies, or does not exist."""
    return not saved.exists() or (saved.is_dir() and all((one / "state.json").is_file() for one in saved.iterdir()))


def _has_run(settings: Settings) -> bool:
    """Whether a localaws wrote files into this home. Names of folders prove nothing: a project has them too."""
    own = (settings.command_file, settings.token_file)
    return any(path.is_file() for path in own) and (settings.env_file.is_file() or not settings.env_file.exists())
