"""Opens artifact locations, and decides which of them may be opened.

A location from a server, a database or an archive is not trusted: any user who may log a run can set an artifact
location or a trace's `mlflow.artifactLocation`. With the operator's permissions, `/home/me/.ssh` or
`s3://another-bucket` would be copied. So such locations are only opened below `Roots`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlflow_common.safe_path import UnsafeNameError, relative_name
from mlflow_transfer.stores.base import RefusedStore, Store
from mlflow_transfer.stores.http import Proxy
from mlflow_transfer.stores.local import Folder
from mlflow_transfer.stores.s3 import S3

_S3 = ("s3", "s3a", "s3n")
_SERVED = "/mlflow-artifacts/artifacts/"
# The folder of an environment's artifact store that holds the backups.
_BACKUPS = "backups"


class Roots:
    """The locations below which artifacts may be opened: S3 prefixes and local folders.

    The folder `backups` of an S3 prefix is none, and neither is a location that contains it: a backup would copy all
    earlier ones into itself, and grow twice as large each time. Only a root in that folder opens it.

    Args:
        uris: `s3://bucket/prefix`, `file:///folder`, or a folder. Others are ignored.
        hint: a hint for the message about a location that is not below a root.
    """

    def __init__(self, uris: Iterable[str], hint: str = "") -> None:
        given = [one for one in uris if one]
        found = [place for one in given if (place := split_s3(one)) is not None]
        self._prefixes = [(bucket, root.strip("/")) for bucket, root in found]
        self._folders = [folder for one in given if (folder := local_path(one)) is not None]
        self._hint = hint

    def folder_of(self, folder: Path) -> Path | None:
        """The root that contains a local folder, with links resolved; None if there is none."""
        found = folder.resolve()
        return next((root for root in self._folders if found.is_relative_to(root.resolve())), None)

    def holds_key(self, bucket: str, prefix: str) -> bool:
        """Whether an S3 prefix is below one of the roots, and neither holds nor is in a folder of backups."""
        return bool(self._roots_of(bucket, prefix)) and not self.backups_at(bucket, prefix)

    def backups_at(self, bucket: str, prefix: str) -> str | None:
        """The folder of backups that an S3 prefix contains or lies in; None if there is none."""
        key, roots = prefix.strip("/"), self._roots_of(bucket, prefix)
        for root_bucket, root in self._prefixes:
            kept = f"{root}/{_BACKUPS}".removeprefix("/")
            touches = bucket == root_bucket and (_is_below(key, kept) or _is_below(kept, key))
            if touches and not any(_is_below(one, kept) for one in roots):
                return f"s3://{bucket}/{kept}"
        return None

    def _roots_of(self, bucket: str, prefix: str) -> list[str]:
        """The prefixes of the roots that contain an S3 prefix."""
        key = prefix.strip("/")
        if prefix.startswith("/"):
            return []
        found = [root for root_bucket, root in self._prefixes if bucket == root_bucket and _is_below(key, root)]
        rests = [key[len(root) :].removeprefix("/") for root in found]
        return [root for root, rest in zip(found, rests, strict=True) if not rest or _is_safe(rest)]

    def refuse(self, uri: str) -> RefusedStore:
        """The store of a location that is not below a root. It refuses every use."""
        place = split_s3(uri)
        if place is not None and self._roots_of(*place) and (kept := self.backups_at(*place)) is not None:
            return RefusedStore(uri, _of_backups(uri, kept))
        reason = f"artifacts at {_plain(uri)} are not opened: they are outside the server's own artifact store"
        return RefusedStore(uri, f"{reason}. {self._hint}" if self._hint else reason)


def open_store(
    uri: str,
    s3: Callable[[], Any],
    proxy: Callable[[str], Proxy] | None = None,
    roots: Roots | None = None,
) -> Store:
    """Open the store of an artifact URI.

    Args:
        s3: returns the S3 client.
        proxy: returns the store of a path that a tracking server serves.
        roots: the allowed locations; None for a location that the operator named.

    Returns:
        The store; a `RefusedStore` if the location must not or cannot be opened.
    """
    if (folder := local_path(uri)) is not None:
        confine = folder if roots is None else roots.folder_of(folder)
        if roots is not None and confine is None:
            return roots.refuse(uri)
        return Folder(folder, artifact_top(folder), confine)
    if (place := split_s3(uri)) is not None:
        if roots is not None and not roots.holds_key(*place):
            return roots.refuse(uri)
        return S3(s3(), *place)
    if proxy is not None and (path := served_path(uri)) is not None:
        if path and not _is_safe(path):
            return RefusedStore(uri, f"artifacts at {_plain(uri)} are not opened: the path is not a plain one")
        return proxy(path)
    reason = "only S3, folders and mlflow-artifacts are known"
    return RefusedStore(uri, f"artifacts at {_plain(uri)} cannot be reached: {reason}")


def overlap(one: str, other: str) -> bool:
    """Whether one of two locations, each a folder or an S3 prefix, contains the other."""
    places = [place for uri in (one, other) if (place := split_s3(uri)) is not None]
    if len(places) > 1:
        (bucket, key), (other_bucket, other_key) = ((name, prefix.strip("/")) for name, prefix in places)
        return bucket == other_bucket and (_is_below(key, other_key) or _is_below(other_key, key))
    folders = [Path(os.path.realpath(path)) for uri in (one, other) if (path := local_path(uri)) is not None]
    return len(folders) > 1 and (folders[0].is_relative_to(folders[1]) or folders[1].is_relative_to(folders[0]))


def local_path(uri: str) -> Path | None:
    """The folder of a plain path or file URI; None for any other URI."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if "\0" in uri or not uri:
        return None
    if parts.scheme == "file":
        path = unquote(parts.path)
        return Path(path) if path and "\0" not in path else None
    return Path(uri) if not parts.scheme else None


def split_s3(uri: str) -> tuple[str, str] | None:
    """The bucket and the prefix of an S3 URI; None for any other URI. `?` and `#` are part of a key."""
    scheme, separator, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    return (bucket, prefix) if separator and scheme in _S3 and bucket else None


def artifact_top(folder: Path) -> Path:
    """The artifact root of a server, derived from the folder of an experiment, run, model or trace.

    The server creates the root when it starts, and the folders below it when they are needed.
    """
    if folder.name == "artifacts":
        folder = folder.parent.parent
    if folder.name in {"models", "traces"}:
        folder = folder.parent
    return folder.parent


def served_path(uri: str) -> str | None:
    """The path of an artifact that a tracking server serves; None for any other URI."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme == "mlflow-artifacts":
        return unquote(parts.path).strip("/")
    if parts.scheme in {"http", "https"} and _SERVED in parts.path:
        return unquote(parts.path.split(_SERVED, 1)[1]).strip("/")
    return None


def _is_below(key: str, root: str) -> bool:
    """Whether a key is a prefix of keys, or the same. An empty prefix contains all."""
    return not root or key == root or key.startswith(f"{root}/")


def _of_backups(uri: str, kept: str) -> str:
    return f"artifacts at {_plain(uri)} are not opened: the location contains, or lies in, the backups at {kept}"


def _is_safe(path: str) -> bool:
    try:
        relative_name(path)
    except UnsafeNameError:
        return False
    return True


def _plain(uri: str) -> str:
    return uri if uri.isprintable() else ascii(uri)
