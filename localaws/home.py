"""The home of a localaws: which folders it takes, and which it leaves to the user."""

from pathlib import Path

from localaws.settings import Settings
from localaws.state import files


class HomeError(Exception):
    """Why a folder cannot be the home of a localaws."""


def claim(settings: Settings) -> None:
    """Make a folder the private home of a localaws, before anything else is written into it.

    Raises:
        HomeError: it holds files that no localaws wrote, or cannot be written.
    """
    _check(settings)
    for folder in (settings.home, settings.logs, settings.run):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        except OSError as error:
            message = f"{folder} cannot be the folder for localaws's data ({error.strerror}): set LOCALAWS_HOME."
            raise HomeError(message) from None
    settings.command_file.touch(mode=0o600)


def _check(settings: Settings) -> None:
    """Refuse a folder of the user, which would become private, and whose `data` a reset would delete.

    Raises:
        HomeError: it holds files that no localaws wrote.
    """
    try:
        found = {entry.name for entry in settings.home.iterdir()} if settings.home.is_dir() else set()
    except OSError:
        return  # The next step says what is wrong with it.
    # A start makes the first two folders first, and may be killed before it writes a file. Users bring named copies.
    begun = found <= {settings.run.name, settings.logs.name, settings.saved.name}
    begun = begun and not any(map(_filled, (settings.run, settings.logs))) and _holds_copies(settings.saved)
    if not begun and not _has_run(settings):
        raise HomeError(f"{settings.home} holds other files: set LOCALAWS_HOME to a new or empty folder.")
    written = (settings.data / "state.json", settings.data / "calls.jsonl", files.unsaved_marker(settings))
    if _filled(settings.data) and not any(path.is_file() for path in written):
        raise HomeError(f"{settings.data} holds other files: set LOCALAWS_HOME to a new or empty folder.")


def _filled(folder: Path) -> bool:
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))


def _holds_copies(saved: Path) -> bool:
    """Whether a folder holds only named copies, or does not exist."""
    return not saved.exists() or (saved.is_dir() and all((one / "state.json").is_file() for one in saved.iterdir()))


def _has_run(settings: Settings) -> bool:
    """Whether a localaws wrote files into this home. Names of folders prove nothing: a project has them too."""
    own = (settings.command_file, settings.token_file)
    return any(path.is_file() for path in own) and (settings.env_file.is_file() or not settings.env_file.exists())
