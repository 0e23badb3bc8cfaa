"""A prefix of an S3 bucket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any

import botocore.exceptions

from mlflow_common.errors import PlatformError, error_code
from mlflow_common.safe_path import key_below
from mlflow_transfer.checksums import Checksum, parse_checksum
from mlflow_transfer.stores.base import (
    CHUNK,
    ChangedError,
    GoneError,
    Item,
    Store,
    StoreFeatures,
    UnreadableError,
)

# Small enough that several simultaneous uploads stay far below the memory limit of a transfer.
PART = 8 << 20
# CopyObject accepts up to 5 GiB: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
LARGEST_COPY = 5 << 30
COPY_PART = 512 << 20
_MOST_PARTS = 10_000
_MISSING = frozenset({"NoSuchKey", "404"})
# The object is in an archive storage class (Glacier) and was not restored.
_ARCHIVED = "InvalidObjectState"
# Errors that concern every object: credentials, clock, throttling.
_GENERAL = frozenset(
    {
        "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "RequestExpired", "RequestTimeTooSkewed",
        "SignatureDoesNotMatch", "SlowDown", "TokenRefreshRequired", "429",
    }
)  # fmt: skip
_BAD_REQUEST, _INTERNAL = 400, 500
_CHANGES = 20
_CHANGE_PAUSE = 0.1  # seconds


class S3:
    """A prefix of an S3 bucket. `client` is a boto3 S3 client, which is thread-safe."""

    features = StoreFeatures(
        bulk_list=True, file_and_folder=True, server_side_copy="s3", md5_tags=True, holds_archives=True
    )

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self.client, self.bucket, self.prefix = client, bucket, prefix.strip("/")
        self.uri = f"s3://{bucket}/{self.prefix}"

    def key(self, path: str) -> str:
        """The object's key.

        Raises:
            UnsafeNameError: the key would not be below the prefix, or would mean something else in another store.
        """
        return key_below(self.prefix, path)

    def list(self) -> Iterator[Item]:
        """Every object below the prefix, with one call per thousand."""
        start = f"{self.prefix}/" if self.prefix else ""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start)
        try:
            for page in pages:
                for found in page.get("Contents", ()):
                    path = found["Key"][len(start) :]
                    # Empty objects whose keys end with a slash are the folders that S3's console makes.
                    if path and (found["Size"] or not path.endswith("/")):
                        yield Item(path, found["Size"], found["ETag"].strip('"'))
        except botocore.exceptions.ClientError as error:
            if _refused(error):
                raise UnreadableError(f"{self.uri} cannot be listed ({_reason(error)})") from error
            raise

    def look(self, path: str) -> Item:
        """An object with its current size and ETag."""
        with self._reading(path):
            found = self.client.head_object(Bucket=self.bucket, Key=self.key(path))
        return Item(path, found["ContentLength"], found["ETag"].strip('"'))

    def read(self, path: str) -> Iterator[bytes]:
        """An object's content in chunks."""
        with self._reading(path):
            body = self.client.get_object(Bucket=self.bucket, Key=self.key(path))["Body"]
        with body:
            yield from body.iter_chunks(CHUNK)

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        """Upload an object, in parts if it is large. An interrupted upload leaves neither an object nor parts."""
        key = self.key(path)
        parts = _parts(chunks, max(PART, -(-size // _MOST_PARTS)))
        first, second = next(parts, b""), next(parts, None)
        if second is None:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=first)
            return
        self._multipart(key, (("upload_part", {"Body": part}) for part in chain((first, second), parts)))

    def copy(self, source: Store, item: Item, path: str, *, summed: bool = False) -> Checksum | None:
        """Copy an object within S3, without a transfer through this machine. Its tags are not copied."""
        assert isinstance(source, S3)  # noqa: S101 for the type: `server_side_copy` says so
        try:
            with source._missing(item.path):
                return self._copied(source, item, self.key(path), summed=summed)
        except botocore.exceptions.ClientError as error:
            if summed and error_code(error) == "PreconditionFailed":
                raise ChangedError(f"{source.uri}/{item.path} changed since it was listed") from error
            if error_code(error) == _ARCHIVED:
                raise UnreadableError(f"{source.uri}/{item.path} cannot be read ({_reason(error)})") from error
            if _refused(error):
                # Find out which side refused. This raises an error if it was the source.
                source.look(item.path)
            raise

    def _copied(self, source: S3, item: Item, key: str, *, summed: bool) -> Checksum | None:
        origin: dict[str, Any] = {"CopySource": {"Bucket": source.bucket, "Key": source.key(item.path)}}
        if summed and item.tag:
            origin["CopySourceIfMatch"] = item.tag
        algorithm = {"ChecksumAlgorithm": "SHA256"} if summed else {}
        if item.size <= LARGEST_COPY:
            # Do not copy tags: lifecycle rules may delete objects by tag, and copying tags needs further permissions.
            given = {**origin, "TaggingDirective": "REPLACE", **algorithm}
            answer = self.client.copy_object(Bucket=self.bucket, Key=key, **given)
            return parse_checksum(answer["CopyObjectResult"]) if summed else None
        step = max(COPY_PART, -(-item.size // _MOST_PARTS))
        ranges = ((start, min(start + step, item.size) - 1) for start in range(0, item.size, step))
        answer = self._multipart(
            key,
            (("upload_part_copy", {**origin, "CopySourceRange": f"bytes={first}-{last}"}) for first, last in ranges),
            algorithm,
        )
        if not summed:
            return None
        if "ChecksumSHA256" not in answer:
            answer = self.client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        return parse_checksum(answer, step)

    def change(self, path: str, make: Callable[[bytes | None], bytes]) -> None:
        """Replace an object atomically by the result of `make` for its content (None if there is no object).

        A store without conditional writes (not Amazon S3) gets a plain write.
        """
        place = {"Bucket": self.bucket, "Key": self.key(path)}
        for _ in range(_CHANGES):
            try:
                with self._missing(path):
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
                # Another process changed or deleted the object, or is changing it now.
                if error_code(error) not in {"PreconditionFailed", "ConditionalRequestConflict", *_MISSING}:
                    raise
                time.sleep(_CHANGE_PAUSE)
            else:
                return
        raise PlatformError(
            f"{self.uri}/{path} was changed by others {_CHANGES} times in a row: try again when they are done"
        )

    def abandoned(self) -> Iterator[str]:
        """Nothing: S3 has no partial objects."""
        return iter(())

    def delete(self, path: str) -> None:
        """Delete an object."""
        self.client.delete_object(Bucket=self.bucket, Key=self.key(path))

    def below(self, path: str) -> S3:
        """The store of a folder below this one."""
        return S3(self.client, self.bucket, self.key(path))

    def stored(self, path: str) -> tuple[Store, str]:
        """This prefix itself."""
        return self, path

    @contextmanager
    def _missing(self, path: str) -> Iterator[None]:
        """Distinguish a missing object from any other error."""
        try:
            yield
        except botocore.exceptions.ClientError as error:
            if error_code(error) in _MISSING:
                raise GoneError(f"{self.uri}/{path} is not there") from error
            raise

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        """Distinguish a missing or unreadable object from any other error."""
        try:
            with self._missing(path):
                yield
        except botocore.exceptions.ClientError as error:
            if _refused(error):
                raise UnreadableError(f"{self.uri}/{path} cannot be read ({_reason(error)})") from error
            raise

    def _multipart(
        self, key: str, parts: Iterable[tuple[str, dict[str, Any]]], given: Mapping[str, str] | None = None
    ) -> Any:
        place = {"Bucket": self.bucket, "Key": key}
        upload = self.client.create_multipart_upload(**place, **(given or {}))["UploadId"]
        try:
            done = []
            for number, (operation, content) in enumerate(parts, 1):
                answer = getattr(self.client, operation)(**place, UploadId=upload, PartNumber=number, **content)
                result = answer.get("CopyPartResult", answer)
                # S3 refuses an upload with a checksum algorithm if the checksums of the parts are not given.
                summed = {"ChecksumSHA256": result["ChecksumSHA256"]} if given and "ChecksumSHA256" in result else {}
                done.append({"PartNumber": number, "ETag": result["ETag"], **summed})
            return self.client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": done})
        except BaseException:
            self.client.abort_multipart_upload(**place, UploadId=upload)
            raise


def _refused(error: botocore.exceptions.ClientError) -> bool:
    """Whether S3 permanently refuses this object or bucket, and not the caller in general."""
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return _BAD_REQUEST <= status < _INTERNAL and error_code(error) not in _GENERAL


def _reason(error: botocore.exceptions.ClientError) -> str:
    return f"{error_code(error)}: {error.response.get('Error', {}).get('Message', '')}".rstrip(": .")


def _parts(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
