"""Reads the files of a file store: folders, YAML, texts and metrics. Unreadable parts are losses that name the file."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

import yaml

from mlflow_common.safe_path import UnsafeNameError, below
from mlflow_transfer.losses import LossLog
from mlflow_transfer.records import ModelPoint, Point
from mlflow_transfer.sources.base import CHUNK_POINTS
from mlflow_transfer.sources.parsing import MALFORMED, described, integer, number

_LARGEST_YAML = 16 << 20  # bytes
_LARGEST_TEXT = 16 << 20  # bytes
_LONGEST_LINE = 1 << 16  # bytes of a metric's line
_DEEPEST_YAML = 64
META = "meta.yaml"
# Names of the folders of experiments, runs, logged models, traces and model versions.
_ID = re.compile(r"[0-9]+|(?:m-|tr-)?[0-9a-f]{32}|version-[0-9]+")
# A file of so many bytes is never nested so deeply that the loader needs more than a thread's stack.
_SAFE_DEPTH = 4096


class Files:
    """The files below one root. Links that lead out of it are not followed and are losses."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.losses = LossLog()

    def folders(self, folder: Path) -> list[Path]:
        """The folders in a folder, sorted, without hidden ones; an empty list if it does not exist.

        What looks like the folder of an object and is none, or is hidden, is a loss.
        """
        try:
            entries = sorted(folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            self.losses.add(f"folder {folder}", f"it cannot be read ({error.strerror})")
            return []
        found = [one for one in entries if not one.name.startswith(".") and self._is_folder(one)]
        for one in sorted(set(entries) - set(found)):
            if one.name.startswith(".") and self.is_described(one):
                self.losses.add(f"folder {one}", "it is hidden, and is not read")
            elif _ID.fullmatch(one.name) and one.is_file():
                self.losses.add(f"file {one}", "it has the name of a folder, and is not read")
        return found

    def is_described(self, folder: Path) -> bool:
        """Whether a folder has a description, as the folders of runs, experiments and model versions have."""
        try:
            return (folder / META).is_file()
        except OSError:
            return False

    def named(self, folder: Path, name: str) -> Path:
        """The entry of a folder with a name from another file.

        Raises:
            ValueError: the name is not a plain file name.
        """
        try:
            return below(folder, name)
        except UnsafeNameError as error:
            raise ValueError(error.message) from None

    def below(self, folder: Path) -> Iterator[tuple[str, Path]]:
        """Every file below a folder, with its relative path as the key. Keys may contain slashes."""

        def failed(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                self.losses.add(f"folder {error.filename}", f"it cannot be read ({error.strerror})")

        for place, folders, names in os.walk(folder, onerror=failed):
            for name in [one for one in folders if Path(place, one).is_symlink()]:
                self.losses.add(f"folder {Path(place, name)}", "it is a link, which is not followed")
            folders.sort()
            for name in sorted(names):
                path = Path(place, name)
                yield path.relative_to(folder).as_posix(), path

    def yaml(self, path: Path) -> dict[str, Any]:
        """The mapping in a YAML file.

        Raises:
            OSError: the file cannot be read.
            ValueError: its content is not a YAML mapping.
        """
        with self._open(path) as file:
            content = file.read(_LARGEST_YAML + 1)
        if len(content) > _LARGEST_YAML:
            raise ValueError(f"{path} is larger than {_LARGEST_YAML >> 20} MB")
        if not content.strip(b"\0 \t\r\n"):
            raise ValueError(f"{path} is empty")
        try:
            _check_yaml(content)
            loaded = yaml.load(content.decode(), _Loader)  # noqa: S506 a safe loader
        except UnicodeDecodeError:
            raise ValueError(f"{path} is not UTF-8 text") from None
        except (yaml.YAMLError, *MALFORMED) as error:
            reason = getattr(error, "problem", None) or described(error)
            raise ValueError(f"{path} is not YAML: {reason}") from None
        if not isinstance(loaded, dict):
            raise ValueError(f"{path} holds no mapping")
        return loaded

    def texts(self, folder: Path, place: str) -> dict[str, str]:
        """The texts of all files below a folder, by key.

        Args:
            place: describes the texts in losses, such as "run 1234 tag".
        """
        found = {}
        for key, path in self.below(folder):
            with self._part(f"{place} {key!r}", path), self._open(path) as file:
                content = file.read(_LARGEST_TEXT + 1)
                if len(content) > _LARGEST_TEXT:
                    raise ValueError(f"larger than {_LARGEST_TEXT >> 20} MB")
                text = content.decode()
                if "\0" in text:
                    raise ValueError("NUL bytes")
                key.encode()
                found[key] = text
        return found

    def points(self, place: str, key: str, path: Path) -> Iterator[Point]:
        """The points of a metric's file. All unreadable lines together are one loss with their number."""
        # Every other store keeps only one of several equal points. Equal times follow each other.
        time, seen = 0, set[str]()
        torn = _Torn()
        with self._part(place, path), self._open(path) as file:
            key.encode()
            for at, parts in _lines(file, torn):
                try:
                    step = integer(parts[2].decode()) if len(parts) > 2 else 0
                    point = Point(key, number(parts[1].decode()), integer(parts[0].decode()), step)
                except MALFORMED:
                    torn.add(at)
                    continue
                if point.timestamp != time:
                    time, seen = point.timestamp, set()
                if (content := repr(point)) not in seen:
                    seen.add(content)
                    yield point
        self._note(torn, place, path)

    def latest(self, place: str, key: str, path: Path) -> Point | None:
        """The point that a server would treat as the latest: the one with the greatest step, time and value."""
        return max(
            self.points(place, key, path), key=lambda point: (point.step, point.timestamp, point.value), default=None
        )

    def model_points(self, place: str, model_id: str, key: str, path: Path) -> Iterator[ModelPoint]:
        """The points of a logged model's metric's file."""
        torn = _Torn()
        with self._part(place, path), self._open(path) as file:
            key.encode()
            for at, parts in _lines(file, torn):
                try:
                    time, value, step, run_id, *dataset = [one.decode() for one in parts]
                    point = Point(key, number(value), integer(time), integer(step))
                    name, digest = dataset or (None, None)
                except MALFORMED:
                    torn.add(at)
                    continue
                yield ModelPoint(model_id, run_id, point, name, digest)
        self._note(torn, place, path)

    def size(self, path: Path) -> int:
        """A file's size; 0 if it cannot be read."""
        try:
            return path.stat().st_size
        except OSError:
            return 0

    def _note(self, torn: _Torn, place: str, path: Path) -> None:
        if torn.count:
            lines = f"line {torn.first} is" if torn.count == 1 else f"{torn.count} lines, the first {torn.first}, are"
            self.losses.add(f"{place} (file {path})", f"{lines} torn or not as MLflow writes it")

    @contextmanager
    def _part(self, place: str, path: Path) -> Iterator[None]:
        """Record an unreadable file as a loss."""
        try:
            yield
        except OSError as error:
            self.losses.add(f"{place} (file {path})", f"it cannot be read ({error.strerror or error})")
        except MALFORMED as error:
            self.losses.add(f"{place!s} (file {path})", described(error))

    def _open(self, path: Path) -> IO[bytes]:
        found = _resolved(path)
        if not found.is_relative_to(self._root):
            raise ValueError(f"a link to {found}, outside {self._root}")
        if not found.is_file() and found.exists():
            raise ValueError("not a regular file")
        return found.open("rb")

    def _is_folder(self, path: Path) -> bool:
        try:
            if stat.S_ISDIR(path.stat().st_mode):
                return not path.is_symlink() or self._is_inside(path)
        except OSError as error:
            what = "it is a broken link" if path.is_symlink() else f"it cannot be read ({error.strerror})"
            self.losses.add(f"folder {path}", what)
        return False

    def _is_inside(self, folder: Path) -> bool:
        found = folder.resolve()
        if found.is_relative_to(self._root):
            return True
        self.losses.add(f"folder {folder}", f"it is a link to {found}, outside the store, and is not followed")
        return False


def _resolved(path: Path) -> Path:
    """The path without links.

    Raises:
        ValueError: the links form a loop.
    """
    try:
        return path.resolve()
    except RuntimeError:
        raise ValueError("a link that leads to itself") from None


class _Torn:
    """Counts the lines of a file that cannot be read."""

    def __init__(self) -> None:
        self.count = self.first = 0

    def add(self, line: int) -> None:
        self.count += 1
        self.first = self.first or line


def next_points(points: Iterator[Point]) -> list[Point]:
    """The next chunk of points; empty at the end."""
    return list(islice(points, CHUNK_POINTS))


def _lines(file: IO[bytes], torn: _Torn) -> Iterator[tuple[int, list[bytes]]]:
    """The fields of each line, with its number. Empty lines are skipped. Overlong lines count as torn.

    Raises:
        ValueError: there is no line. MLflow creates the file of a metric with its first point.
    """
    number, is_empty = 0, True
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) >= _LONGEST_LINE and not line.endswith(b"\n"):
            torn.add(number)
            while line and not line.endswith(b"\n"):
                line = file.readline(_LONGEST_LINE)
            continue
        if not line.endswith(b"\n"):
            # MLflow ends each line. The number before the tear may be a part of another number.
            torn.add(number)
        elif line.strip(b" \t\r\n"):
            is_empty = False
            yield number, line.split()
    if is_empty and not torn.count:
        raise ValueError("it holds no point")


def _check_yaml(content: bytes) -> None:
    """Refuse YAML that would take all memory, or the stack of the loader in C, which ends the process.

    MLflow writes neither references nor nested values.

    Raises:
        yaml.YAMLError, RecursionError: it has references, or is nested too deeply.
    """
    if len(content) <= _SAFE_DEPTH and b"*" not in content:
        return
    depth = 0
    for event in yaml.parse(content, _Loader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="it has references (aliases), which MLflow does not write")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST_YAML:
            raise RecursionError


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
