"""Where artifacts lie: an S3 prefix, a folder, or a tracking server that serves them (mlflow-artifacts).

Blocking by design: `artifacts` runs these in worker threads. Nothing is held whole, in memory or on disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

import botocore.exceptions
import httpx

from scripts.mlops.errors import InputError, PlatformError, error_code
from scripts.mlops.transfer.checksums import Checksum, told
from scripts.mlops.transfer.retry import Retry

CHUNK = 1 << 20
# Small enough for several uploads at once to stay far below the memory that the whole work may take.
PART = 8 << 20
_HOLE = bytes(CHUNK)
_PARTIAL = ".transfer-partial"
# S3 copies up to 5 GiB in one call and refuses more: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
LARGEST_COPY = 5 << 30
COPY_PART = 512 << 20
_MOST_PARTS = 10_000


class ChangedError(EOFError):
    """A file is no longer what it was when it was listed."""


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

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in chunks."""

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        """Write a file; one that breaks off leaves no file of that name."""

    def below(self, path: str) -> Store:
        """The store of a folder below this one."""


class Folder:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = str(root)

    def list(self) -> Iterator[Item]:
        """Every file below the folder."""
        for folder, folders, names in os.walk(self.root):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if name.endswith(_PARTIAL):
                    continue
                status = path.stat()
                yield Item(path.relative_to(self.root).as_posix(), status.st_size, f"{status.st_mtime_ns}")

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in chunks."""
        with (self.root / path).open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:  # noqa: ARG002 the protocol's
        """Write beside the place and rename: a file is there whole or not at all. Runs of zeros stay holes."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + _PARTIAL)
        try:
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
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise PlatformError(
                f"{target} cannot be written ({error.strerror}): make room there and try again"
            ) from error
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def delete(self, path: str) -> None:
        """Delete a file."""
        (self.root / path).unlink(missing_ok=True)

    def below(self, path: str) -> Folder:
        """The store of a folder below this one."""
        return Folder(self.root / path)


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
        found = self.client.head_object(Bucket=self.bucket, Key=self.key(path))
        return Item(path, found["ContentLength"], found["ETag"].strip('"'))

    def read(self, path: str) -> Iterator[bytes]:
        """An object's content in chunks."""
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

    def delete(self, path: str) -> None:
        """Delete an object."""
        self.client.delete_object(Bucket=self.bucket, Key=self.key(path))

    def below(self, path: str) -> S3:
        """The store of a folder below this one."""
        return S3(self.client, self.bucket, self.key(path))

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

    `counted` is told of every request.
    """

    def __init__(self, http: httpx.Client, root: str, counted: Callable[[str], None], retry: Retry) -> None:
        self._http, self._root, self._counted, self._retry = http, root.strip("/"), counted, retry
        self.uri = f"mlflow-artifacts:/{self._root}"

    def list(self) -> Iterator[Item]:
        """Every file: one call per folder."""
        folders = [""]
        while folders:
            folder = folders.pop(0)
            path = "/".join(filter(None, [self._root, folder]))
            answer = self._send("GET", "", params={"path": path})
            for entry in answer.json().get("files", ()):
                below = "/".join(filter(None, [folder, entry["path"]]))
                if entry.get("is_dir"):
                    folders.append(below)
                else:
                    yield Item(below, int(entry.get("file_size", 0)))

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in chunks."""
        self._counted("GET mlflow-artifacts")
        with self._http.stream("GET", self._url(path)) as response:
            if response.status_code >= httpx.codes.BAD_REQUEST:
                response.read()
                raise PlatformError(f"{self.uri}/{path} cannot be read ({response.status_code}): {response.text[:200]}")
            yield from response.iter_bytes(CHUNK)

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        """Upload a file in one streamed request."""
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        self._counted("PUT mlflow-artifacts")
        response = self._http.put(self._url(path), content=chunks, headers=headers)
        if response.status_code >= httpx.codes.BAD_REQUEST:
            raise PlatformError(f"{self.uri}/{path} cannot be written ({response.status_code}): {response.text[:200]}")

    def below(self, path: str) -> Proxy:
        """The store of a folder below this one."""
        return Proxy(self._http, f"{self._root}/{path}", self._counted, self._retry)

    def _url(self, path: str) -> str:
        return "/api/2.0/mlflow-artifacts/artifacts/" + quote(f"{self._root}/{path}" if self._root else path)

    def _send(self, method: str, path: str, params: dict[str, str]) -> httpx.Response:
        for attempt in range(1, self._retry.attempts + 1):
            self._counted(f"{method} mlflow-artifacts")
            try:
                response = self._http.request(method, "/api/2.0/mlflow-artifacts/artifacts" + path, params=params)
                if response.status_code < httpx.codes.BAD_REQUEST:
                    return response
                reason = f"{response.status_code}: {response.text[:200]}"
            except httpx.TransportError as error:
                reason = type(error).__name__
            time.sleep(self._retry.wait(attempt))
        raise PlatformError(f"{self.uri} cannot be listed ({reason}): see that the server serves artifacts")


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
        return Folder(folder)
    parts = urlsplit(uri)
    if parts.scheme in {"s3", "s3a", "s3n"}:
        return S3(s3(), parts.netloc, parts.path)
    if parts.scheme == "mlflow-artifacts" and proxy is not None:
        return proxy(unquote(parts.path))
    if parts.scheme in {"http", "https"} and "/mlflow-artifacts/artifacts/" in parts.path and proxy is not None:
        return proxy(unquote(parts.path.split("/mlflow-artifacts/artifacts/", 1)[1]))
    raise InputError(f"artifacts at {uri} cannot be reached: only S3, folders and mlflow-artifacts are known")


def _parts(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
