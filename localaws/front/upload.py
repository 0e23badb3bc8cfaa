"""Checks the body of an upload to S3 before anything is stored: its chunks, its size and its checksums.

moto verifies none of these: it stored what a broken client sent, and an upload with a wrong chunk size as an empty
object. Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html, and for the errors
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, https://github.com/aws/aws-sdk-ruby/issues/3322 and
https://github.com/tpyo/amazon-s3-php-class/issues/89.
"""

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from typing import IO, Any

from localaws.call import Call, Chunk
from localaws.errors import AwsError

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
CHUNKED = (SIGNED, f"{SIGNED}-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
CHECKSUM = "x-amz-checksum-"
TRAILER_SIGNATURE = "x-amz-trailer-signature"
BLOCK = 1 << 20
# The longest line between two chunks, in bytes.
LINE = 8192
_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, block: bytes) -> None:
        self._value = zlib.crc32(block, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


# S3 has more algorithms, for which Python has no code. They are not checked.
ALGORITHMS: Mapping[str, Callable[[], Any]] = {"crc32": _Crc32, "sha1": hashlib.sha1, "sha256": hashlib.sha256}


def check(call: Call, body: IO[bytes]) -> None:
    """Reads the body if it has chunks or checksums. Sets `call.chunks` to the signed chunks.

    Raises:
        AwsError: it is not well-formed or not complete, or a checksum differs.
    """
    kind = call.headers.get("x-amz-content-sha256", "")
    trailing = call.headers.get("x-amz-trailer", "").strip().lower()
    named = {name: call.headers.get(f"{CHECKSUM}{name}") for name in ALGORITHMS}
    hashes = {name: ALGORITHMS[name]() for name in named if named[name] or trailing == CHECKSUM + name}
    if kind.startswith("STREAMING-"):
        trailers = _read_chunks(call, body, list(hashes.values()))
        if trailing and trailing not in trailers:
            raise AwsError("MalformedTrailerError", f"The request's trailing data lacks {trailing}.")
        named |= {name: trailers[f"{CHECKSUM}{name}"] for name in ALGORITHMS if f"{CHECKSUM}{name}" in trailers}
    else:
        md5 = call.headers.get("content-md5")
        hashes |= {"md5": hashlib.md5(usedforsecurity=False)} if md5 else {}
        while hashes and (block := body.read(BLOCK)):
            _update(list(hashes.values()), block)
        if md5:
            _compare_md5(md5, hashes.pop("md5").digest())
    for name, found in hashes.items():
        _compare(name, named[name] or "", found.digest())


def _read_chunks(call: Call, body: IO[bytes], hashes: list[Any]) -> dict[str, str]:
    """Returns the trailing headers."""
    kind = call.headers["x-amz-content-sha256"]
    if kind not in CHUNKED:
        message = f"x-amz-content-sha256 must be UNSIGNED-PAYLOAD, {', '.join(CHUNKED)}, or a valid sha256 value."
        raise AwsError("InvalidArgument", message)
    announced = call.headers.get("x-amz-decoded-content-length", "")
    if not (announced.isascii() and announced.isdigit()):
        raise AwsError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    signed, total, size = kind.startswith(SIGNED), 0, -1
    while size:
        line = body.readline(LINE)
        digits, _, extension = line.rstrip(b"\r\n").partition(b";")
        if not line.endswith(b"\r\n") or not _SIZE.fullmatch(digits):
            raise _incomplete()
        left = size = int(digits, 16)
        total += size
        digest = hashlib.sha256()
        while left:
            block = body.read(min(left, BLOCK))
            if not block:
                raise _incomplete()
            left -= len(block)
            _update([*hashes, digest] if signed else hashes, block)
        if signed:
            signature = extension.removeprefix(b"chunk-signature=").decode("latin1")
            call.chunks.append(Chunk("PAYLOAD", digest.hexdigest(), signature))
        if size and body.read(2) != b"\r\n":
            raise _incomplete()
    if total != int(announced[:20]):
        raise _incomplete()
    return _read_trailers(call, body, signed=signed)


def _read_trailers(call: Call, body: IO[bytes], *, signed: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    while (line := body.readline(LINE).decode("latin1").strip()) and len(found) < len(ALGORITHMS) + 2:
        name, _, value = line.partition(":")
        found[name.strip().lower()] = value.strip()
    signature = found.pop(TRAILER_SIGNATURE, "")
    if signed and call.headers["x-amz-content-sha256"].endswith("-TRAILER"):
        text = "".join(f"{name}:{value}\n" for name, value in found.items())
        call.chunks.append(Chunk("TRAILER", hashlib.sha256(text.encode()).hexdigest(), signature))
    return found


def _update(hashes: list[Any], block: bytes) -> None:
    for one in hashes:
        one.update(block)


def _compare(name: str, given: str, digest: bytes) -> None:
    if len(_decoded(given)) != len(digest):
        raise AwsError("InvalidRequest", f"Value for {CHECKSUM}{name} header is invalid.")
    if _decoded(given) != digest:
        raise AwsError("BadDigest", f"The {name.upper()} you specified did not match the calculated checksum.")


def _compare_md5(given: str, digest: bytes) -> None:
    if len(_decoded(given)) != len(digest):
        raise AwsError("InvalidDigest", "The Content-MD5 you specified is not valid.")
    if _decoded(given) != digest:
        raise AwsError("BadDigest", "The Content-MD5 you specified did not match what we received.")


def _decoded(given: str) -> bytes:
    try:
        return base64.b64decode(given, validate=True)
    except ValueError:
        return b""


def _incomplete() -> AwsError:
    return AwsError("IncompleteBody", "The request body terminated unexpectedly")
