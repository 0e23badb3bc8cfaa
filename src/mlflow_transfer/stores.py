"""Where artifacts lie: an S3 prefix, a folder, or a tracking server that serves them (mlflow-artifacts).

Blocking by design: `artifacts` runs these in worker threads. Nothing is held whole, in memory or on disk.
"""

from __future__ import annotations

import errno
import os
import platform
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

import botocore.exceptions
import httpx

from mlflow_common.errors import InputError, PlatformError, PreconditionError, error_code
from mlflow_common.retry import Retry, failure, with_retries
from mlflow_transfer.checksums import Checksum, told

CHUNK = 1 << 20
# Small enough for several uploads at once to stay far below the memory that the whole work may take.
PART = 8 << 20
_HOLE = bytes(CHUNK)
_PARTIAL = ".transfer-partial"
_LOCK = ".transfer-lock"
# A lock is held for as long as one small file takes to be read and written.
_ABANDONED = 60.0  # seconds
_DEAD = 24 * 3600.0
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_MISSING = frozenset({"NoSuchKey", "404"})
_CHANGES = 20
# S3 copies up to 5 GiB in one call and refuses more: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
LARGEST_COPY = 5 << 30
COPY_PART = 512 << 20
_MOST_PARTS = 10_000


class ChangedError(EOFError):
    """A file is no longer what it was when it was listed."""


class GoneError(PlatformError):
    """A file is not there, or no longer."""


class UnreadableError(PlatformError):
    """A file of the source, or a whole folder of files, cannot be read, while others may be."""


# What concerns one file or one folder only: everything else can go on.
SKIPPABLE = (UnreadableError,)


@dataclass(frozen=True)
class Item:
    """A file below a store's root. `tag` changes with the content where the store has such a thing (S3's ETag)."""

    path: str
    size: int
    tag: str = ""


class Store(Protocol):
    """Files below one root, by their relative paths."""

    uri: str

    def list(self) -> Iterator[Item]:
        """Every file, recursively; nothing where the root does not exist."""

    def look(self, path: str) -> Item:
        """A file as it is now.

        Raises:
            GoneError: it is not there.
        """

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in chunks."""

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        """Write a file; one that breaks off leaves no file of that name."""

    def below(self, path: str) -> Store:
        """The store of a folder below this one."""


class Folder:
    """A folder of this machine.

    Args:
        top: what has to be there if these are artifacts of this machine and not of another; see `artifact_top`.
    """

    def __init__(self, root: Path, top: Path | None = None) -> None:
        self.root, self._top = root, top
        self.uri = str(root)
        # Two backups may write into one archive at once. Artifacts have one writer, which next time takes what it left.
        self._partial = _PARTIAL if top else f".{os.getpid()}{_PARTIAL}"

    def list(self) -> Iterator[Item]:
        """Every file below the folder."""
        for path in self._files():
            if not path.name.endswith((_PARTIAL, _LOCK)) and (item := self._item(path)):
                yield item

    def abandoned(self) -> Iterator[str]:
        """Half of files that nobody has written to for a day."""
        for path in self._files():
            with suppress(FileNotFoundError):
                if path.name.endswith(_PARTIAL) and time.time() - path.stat().st_mtime > _DEAD:
                    yield self._below(path)

    def look(self, path: str) -> Item:
        """A file as it is now."""
        found = self._item(self.root / path)
        if found is None:
            raise GoneError(f"{self.root / path} is not there")
        return found

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in chunks."""
        try:
            with (self.root / path).open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except OSError as error:
            if error.errno in _ABSENT:
                raise GoneError(f"{self.root / path} is not there") from None
            raise _unreadable(self.root / path, error) from error

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:  # noqa: ARG002 the protocol's
        """Write beside the place and rename: a file is there whole or not at all. Runs of zeros stay holes."""
        self._check_top()
        target = self.root / path
        partial = target.with_name(target.name + self._partial)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                for chunk in chunks:
                    if chunk == _HOLE:
                        file.seek(len(chunk), os.SEEK_CUR)
                    else:
                        file.write(chunk)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except BaseException as error:
            with suppress(OSError):
                partial.unlink()
            if isinstance(error, OSError):
                raise _unwritable(target, error) from error
            raise

    def change(self, path: str, make: Callable[[bytes | None], bytes]) -> None:
        """Write what `make` makes of a file's content (None: there is no file), with nobody's write in between."""
        with self._locked(path):
            try:
                content = make(b"".join(self.read(path)))
            except GoneError:
                content = make(None)
            self.write(path, [content], len(content))

    @contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        lock = self.root / f"{path}{_LOCK}"
        while True:
            try:
                lock.parent.mkdir(parents=True, exist_ok=True)
                with lock.open("x") as file:
                    file.write(f"{platform.node()} {os.getpid()} {time.strftime('%Y-%m-%dT%H:%M:%S%z')}")
                break
            except FileExistsError:
                with suppress(FileNotFoundError):
                    if time.time() - lock.stat().st_mtime > _ABANDONED:
                        lock.unlink()
                time.sleep(0.05)
            except OSError as error:
                raise _unwritable(lock, error) from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)

    def delete(self, path: str) -> None:
        """Delete a file."""
        (self.root / path).unlink(missing_ok=True)

    def below(self, path: str) -> Folder:
        """The store of a folder below this one."""
        return Folder(self.root / path, self._top)

    def _below(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _files(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self.root, onerror=self._unlisted):
            folders.sort()
            yield from (Path(folder, name) for name in sorted(names))

    def _unlisted(self, error: OSError) -> None:
        if error.errno not in _ABSENT:
            raise _unreadable(error.filename, error) from error
        # Gone since, or never made: a run's folder comes with its first file.
        self._check_top()

    def _item(self, path: Path) -> Item | None:
        """A file; None where there is none, or a link to none, or something else."""
        try:
            status = path.stat()
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise _unreadable(path, error) from error
        if not stat.S_ISREG(status.st_mode):
            return None
        return Item(self._below(path), status.st_size, f"{status.st_mtime_ns}")

    def _check_top(self) -> None:
        if self._top is not None and not self._top.is_dir():
            raise PreconditionError(
                f"the artifacts in {self._top} are not on this machine: run this where they are, say with "
                "--artifact-root where a database's or file store's are, or leave them with --no-artifacts"
            )


class S3:
    """A prefix of an S3 bucket. `client` is a boto3 S3 client; those are safe to share between threads."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self.client, self.bucket, self.prefix = client, bucket, prefix.strip("/")
        self.uri = f"s3://{bucket}/{self.prefix}"

    def key(self, path: str) -> str:
        """The object's key."""
        return f"{self.prefix}/{path}" if self.prefix else path

    def list(self) -> Iterator[Item]:
        """Every object below the prefix: one call per thousand."""
        start = f"{self.prefix}/" if self.prefix else ""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start)
        for page in pages:
            for found in page.get("Contents", ()):
                path = found["Key"][len(start) :]
                if path and not path.endswith("/"):
                    yield Item(path, found["Size"], found["ETag"].strip('"'))

    def look(self, path: str) -> Item:
        """An object as it is now."""
        with self._gone(path):
            found = self.client.head_object(Bucket=self.bucket, Key=self.key(path))
        return Item(path, found["ContentLength"], found["ETag"].strip('"'))

    def read(self, path: str) -> Iterator[bytes]:
        """An object's content in chunks."""
        with self._gone(path):
            body = self.client.get_object(Bucket=self.bucket, Key=self.key(path))["Body"]
        with body:
            yield from body.iter_chunks(CHUNK)

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        """Upload, in parts where it is large; a broken upload leaves neither object nor parts."""
        if size <= PART:
            self.client.put_object(Bucket=self.bucket, Key=self.key(path), Body=b"".join(chunks))
            return
        step = max(PART, -(-size // _MOST_PARTS))
        self._multipart(path, (("upload_part", {"Body": part}) for part in _parts(chunks, step)))

    def copy(self, source: S3, item: Item, path: str, *, summed: bool = False) -> Checksum | None:
        """Copy an object within S3: no byte of it passes through this machine. Its tags stay behind.

        Args:
            summed: have S3 make a checksum as it copies, of exactly the content that was listed.

        Returns:
            That checksum; None where the store (one that is not Amazon's, maybe) tells none.

        Raises:
            ChangedError: with `summed`, the object is no longer the one that was listed.
        """
        try:
            with source._gone(item.path):
                return self._copied(source, item, path, summed=summed)
        except botocore.exceptions.ClientError as error:
            if summed and error_code(error) == "PreconditionFailed":
                raise ChangedError(f"{source.uri}/{item.path} changed since it was listed") from error
            raise

    def _copied(self, source: S3, item: Item, path: str, *, summed: bool) -> Checksum | None:
        origin: dict[str, Any] = {"CopySource": {"Bucket": source.bucket, "Key": source.key(item.path)}}
        if summed and item.tag:
            origin["CopySourceIfMatch"] = item.tag
        algorithm = {"ChecksumAlgorithm": "SHA256"} if summed else {}
        if item.size <= LARGEST_COPY:
            # A tag may say when an object is to be deleted, and copying tags takes rights of its own.
            given = {**origin, "TaggingDirective": "REPLACE", **algorithm}
            answer = self.client.copy_object(Bucket=self.bucket, Key=self.key(path), **given)
            return told(answer["CopyObjectResult"]) if summed else None
        step = max(COPY_PART, -(-item.size // _MOST_PARTS))
        ranges = ((start, min(start + step, item.size) - 1) for start in range(0, item.size, step))
        answer = self._multipart(
            path,
            (("upload_part_copy", {**origin, "CopySourceRange": f"bytes={first}-{last}"}) for first, last in ranges),
            algorithm,
        )
        if not summed:
            return None
        if "ChecksumSHA256" not in answer:
            answer = self.client.head_object(Bucket=self.bucket, Key=self.key(path), ChecksumMode="ENABLED")
        return told(answer, step)

    def change(self, path: str, make: Callable[[bytes | None], bytes]) -> None:
        """Write what `make` makes of an object's content (None: there is none), with nobody's write in between.

        A store that knows no conditions (one that is not Amazon's, maybe) takes the write as it is.
        """
        place = {"Bucket": self.bucket, "Key": self.key(path)}
        for _ in range(_CHANGES):
            try:
                with self._gone(path):
                    found = self.client.get_object(**place)
                content, condition = make(found["Body"].read()), {"IfMatch": found["ETag"]}
            except GoneError:
                content, condition = make(None), {"IfNoneMatch": "*"}
            try:
                self.client.put_object(**place, Body=content, **condition)
            except botocore.exceptions.ClientError as error:
                if error_code(error) == "NotImplemented":
                    self.client.put_object(**place, Body=content)
                    return
                # Somebody else wrote it, writes it, or deleted it.
                if error_code(error) not in {"PreconditionFailed", "ConditionalRequestConflict", *_MISSING}:
                    raise
                time.sleep(0.1)
            else:
                return
        raise PlatformError(f"{self.uri}/{path} is written by others without end: try again when they are done")

    def abandoned(self) -> Iterator[str]:
        """None: an object is there whole or not at all."""
        return iter(())

    def delete(self, path: str) -> None:
        """Delete an object."""
        self.client.delete_object(Bucket=self.bucket, Key=self.key(path))

    def below(self, path: str) -> S3:
        """The store of a folder below this one."""
        return S3(self.client, self.bucket, self.key(path))

    @contextmanager
    def _gone(self, path: str) -> Iterator[None]:
        """Tell a missing object from any other trouble."""
        try:
            yield
        except botocore.exceptions.ClientError as error:
            if error_code(error) in _MISSING:
                raise GoneError(f"{self.uri}/{path} is not there") from error
            raise

    def _multipart(
        self, path: str, parts: Iterable[tuple[str, dict[str, Any]]], given: Mapping[str, str] | None = None
    ) -> Any:
        place = {"Bucket": self.bucket, "Key": self.key(path)}
        upload = self.client.create_multipart_upload(**place, **(given or {}))["UploadId"]
        try:
            done = []
            for number, (operation, content) in enumerate(parts, 1):
                answer = getattr(self.client, operation)(**place, UploadId=upload, PartNumber=number, **content)
                told_of = answer.get("CopyPartResult", answer)
                # An upload that was begun with an algorithm is refused without its parts' checksums.
                summed = {"ChecksumSHA256": told_of["ChecksumSHA256"]} if given and "ChecksumSHA256" in told_of else {}
                done.append({"PartNumber": number, "ETag": told_of["ETag"], **summed})
            return self.client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": done})
        except BaseException:
            self.client.abort_multipart_upload(**place, UploadId=upload)
            raise


class Proxy:
    """Artifacts behind a tracking server that serves them (`mlflow server --serve-artifacts`).

    Args:
        counted: told of every request before it leaves, which waits until that returns.
        throttled: told when the server says that this is too fast.
    """

    def __init__(
        self,
        http: httpx.Client,
        root: str,
        counted: Callable[[str], None],
        retry: Retry,
        throttled: Callable[[], None] = lambda: None,
    ) -> None:
        self._http, self._root, self._counted, self._retry = http, root.strip("/"), counted, retry
        self._throttled = throttled
        self.uri = f"mlflow-artifacts:/{self._root}"

    def list(self) -> Iterator[Item]:
        """Every file: one call per folder."""
        folders = [""]
        while folders:
            folder = folders.pop(0)
            for path, size in self._entries(folder):
                if size is None:
                    folders.append(path)
                else:
                    yield Item(path, size)

    def look(self, path: str) -> Item:
        """A file as it is now."""
        size = dict(self._entries(path.rpartition("/")[0])).get(path)
        if size is None:
            raise GoneError(f"{self.uri}/{path} is not there")
        return Item(path, size)

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in chunks."""
        self._counted("GET mlflow-artifacts")
        with self._http.stream("GET", self._url(path)) as response:
            if response.status_code >= httpx.codes.BAD_REQUEST:
                response.read()
            self._check(response, f"{self.uri}/{path} cannot be read")
            yield from response.iter_bytes(CHUNK)

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        """Upload a file in one streamed request."""
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        self._counted("PUT mlflow-artifacts")
        response = self._http.put(self._url(path), content=chunks, headers=headers)
        self._check(response, f"{self.uri}/{path} cannot be written")

    def below(self, path: str) -> Proxy:
        """The store of a folder below this one."""
        return Proxy(self._http, f"{self._root}/{path}", self._counted, self._retry, self._throttled)

    def _url(self, path: str) -> str:
        return "/api/2.0/mlflow-artifacts/artifacts/" + quote(f"{self._root}/{path}" if self._root else path)

    def _entries(self, folder: str) -> Iterator[tuple[str, int | None]]:
        """What is in a folder: files with their sizes, and folders with None."""
        what = f"{self.uri} cannot be listed"
        query = {"path": "/".join(filter(None, [self._root, folder]))}

        def ask() -> Any:
            self._counted("GET mlflow-artifacts")
            response = self._http.get("/api/2.0/mlflow-artifacts/artifacts", params=query)
            self._check(response, what)
            return response.json()

        found = with_retries(ask, self._retry, f"{what}: see that the server serves artifacts")
        for one in found.get("files", ()):
            path = "/".join(filter(None, [folder, one["path"]]))
            yield path, None if one.get("is_dir") else int(one.get("file_size", 0))

    def _check(self, response: httpx.Response, what: str) -> None:
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            self._throttled()
        if response.status_code >= httpx.codes.BAD_REQUEST:
            raise failure(response, what)


class Rearranged:
    """A view on a store whose files lie under other names: what an archive is to those who read it.

    Args:
        files: gives each file, as it is called here.
        find: gives a file by that name, as it is called in `base`.
    """

    def __init__(
        self, uri: str, base: Store, files: Callable[[], Iterator[Item]], find: Callable[[str], Item | None]
    ) -> None:
        self.uri, self.base, self._files, self._find = uri, base, files, find

    def list(self) -> Iterator[Item]:
        """Every file, by the name that it has here."""
        return self._files()

    def place(self, path: str) -> Item:
        """The file of that name as it is called in `base`."""
        found = self._find(path)
        if found is None:
            raise PlatformError(f"{self.uri} holds no {path}")
        return found

    def look(self, path: str) -> Item:
        """A file as it is now."""
        return Item(path, self.place(path).size)

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in chunks."""
        return self.base.read(self.place(path).path)

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:  # noqa: ARG002 the protocol's
        """Not possible: this is a view."""
        raise PlatformError(f"{self.uri} is only read")

    def below(self, path: str) -> Store:
        """Not possible: this is a view of files, not of folders."""
        raise PlatformError(f"{self.uri} has no folder {path}")


def local_path(uri: str) -> Path | None:
    """The folder that a plain path or file URI means; None for any other URI."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if not parts.scheme and uri:
        return Path(uri)
    return None


def artifact_top(folder: Path) -> Path:
    """Where a server keeps its experiments' folders, by the folder of one, or of a run, model or trace in one.

    The server makes it when it starts, and those below it when they are needed.
    """
    if folder.name == "artifacts":
        folder = folder.parent.parent
    if folder.name in {"models", "traces"}:
        folder = folder.parent
    return folder.parent


def open_store(uri: str, s3: Callable[[], Any], proxy: Callable[[str], Proxy] | None = None) -> Store:
    """The store that an artifact URI means.

    Args:
        s3: gives the S3 client.
        proxy: gives the store of a path that a tracking server serves.

    Raises:
        InputError: nothing here can read such a URI.
    """
    folder = local_path(uri)
    if folder is not None:
        return Folder(folder, artifact_top(folder))
    parts = urlsplit(uri)
    if parts.scheme in {"s3", "s3a", "s3n"}:
        return S3(s3(), parts.netloc, parts.path)
    if parts.scheme == "mlflow-artifacts" and proxy is not None:
        return proxy(unquote(parts.path))
    if parts.scheme in {"http", "https"} and "/mlflow-artifacts/artifacts/" in parts.path and proxy is not None:
        return proxy(unquote(parts.path.split("/mlflow-artifacts/artifacts/", 1)[1]))
    raise InputError(f"artifacts at {uri} cannot be reached: only S3, folders and mlflow-artifacts are known")


def _unreadable(path: Path | str, error: OSError) -> PlatformError:
    return PlatformError(f"{path} cannot be read ({error.strerror}): see to it that this user may")


def _unwritable(path: Path, error: OSError) -> PlatformError:
    return PlatformError(f"{path} cannot be written ({error.strerror}): make room there and try again")


def _parts(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
