"""Reads request bodies: small ones into memory, uploads (S3, image layers) to a file. Refused bodies are discarded.

A service receives only complete bodies, so an interrupted upload changes nothing.
"""

import asyncio
import hashlib
import io
import tempfile
import zlib
from dataclasses import dataclass
from typing import IO, Any

from localaws.call import REGISTRY_PROTOCOL, Call
from localaws.errors import AwsError
from localaws.front import upload
from localaws.front.asgi import Receive
from localaws.front.sigv4 import UNHASHED

# Bodies up to this size in bytes are read into memory.
BUFFERED = 16 * 1024 * 1024
# The most that one S3 request may upload: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MOST = 5 * 1024**3
# A refused body is read up to this size and discarded, because a client reads the response only after it has sent.
DISCARDED = 64 * 1024 * 1024
CHUNK = 256 * 1024
# The services whose bodies have no parameters that localaws reads before it decides.
_UNREAD = ("s3", "sagemaker-mlflow")


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


@dataclass(frozen=True)
class Body:
    """A complete body.

    Attributes:
        content: the bytes; None if they are in a file or not accepted.
        receive: yields it as ASGI does.
        refusal: why the complete body is not accepted.
    """

    content: bytes | None
    receive: Receive
    refusal: AwsError | None = None


async def read(call: Call, receive: Receive) -> Body:
    """Reads the body of an authenticated call.

    Raises:
        AwsError: it is larger than the service accepts; a part of it is unread.
        ClientGoneError: it did not arrive completely.
    """
    announced = _announced(call)
    large = _may_be_large(call)
    if announced > (MOST if large else BUFFERED):
        raise _too_large(call)
    if announced <= BUFFERED and "transfer-encoding" not in call.headers:
        content = await _collect(call, receive, BUFFERED)
        refusal = await _refusal(call, io.BytesIO(content))
        return Body(None if refusal else content, _replay(content, receive), refusal)
    return await _to_file(call, receive, MOST if large else BUFFERED)


async def discard(receive: Receive) -> None:
    """Reads what a client still sends, up to a limit."""
    size = 0
    while size < DISCARDED:
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return


def inflated(call: Call) -> bytes | None:
    """The body of a call, decompressed if moto decompresses it: objects of S3 stay as they are.

    SDKs compress more than 10 KB: https://docs.aws.amazon.com/sdkref/latest/guide/feature-compression.html. moto
    decompresses it again, without a limit. Requests to endpoints and MLflow servers do not reach moto.

    Raises:
        AwsError: it is not gzip, or has more than a request may have.
    """
    invoked = call.service == "sagemaker" and call.path.startswith("/endpoints/")
    unread = invoked or call.service in _UNREAD or call.protocol == REGISTRY_PROTOCOL
    if call.headers.get("content-encoding") != "gzip" or unread or not call.body:
        return call.body
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        content = decompressor.decompress(call.body, BUFFERED + 1)
    except zlib.error:
        content = b""
    if len(content) > BUFFERED:
        raise _too_large(call)
    if not decompressor.eof or decompressor.unused_data:  # moto would also read a second part.
        raise AwsError("SerializationException", "The request's body is not one complete gzip file.", 400)
    return content


def _may_be_large(call: Call) -> bool:
    """Whether a call uploads files: S3, and layers to the registry below /v2/, whose clients do not sign."""
    return call.service == "s3" or call.protocol == REGISTRY_PROTOCOL


def _announced(call: Call) -> int:
    length = call.headers.get("content-length", "0")
    return int(length) if length.isdecimal() else 0


def _too_large(call: Call) -> AwsError:
    if call.service == "s3":
        message = "Your proposed upload exceeds the maximum allowed size"
        return AwsError("EntityTooLarge", message, 400)
    message = f"The request is larger than {BUFFERED} bytes."
    return AwsError("RequestEntityTooLargeException", message, 413)


async def _collect(call: Call, receive: Receive, most: int) -> bytes:
    parts, size = [], 0
    while True:
        part, more = await _next(receive)
        size += len(part)
        if size > most:
            raise _too_large(call)
        parts.append(part)
        if not more:
            return b"".join(parts)


async def _next(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] != "http.request":
        raise ClientGoneError
    return message.get("body", b""), message.get("more_body", False)


async def _to_file(call: Call, receive: Receive, most: int) -> Body:
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 closed when the last part is replayed, or with the body
    size, digest = 0, hashlib.sha256()
    more = True
    while more:
        part, more = await _next(receive)
        size += len(part)
        if size > most:
            raise _too_large(call)
        digest.update(part)
        await asyncio.to_thread(file.write, part)
    claimed = call.headers.get("x-amz-content-sha256", "")
    if claimed and not claimed.startswith(UNHASHED) and claimed != digest.hexdigest():
        file.close()
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        return Body(None, receive, AwsError("XAmzContentSHA256Mismatch", message, 400))
    file.seek(0)
    refusal = await _refusal(call, file)
    file.seek(0)
    if refusal:
        file.close()
        return Body(None, receive, refusal)
    if size <= BUFFERED:
        with file:
            content = file.read()
        return Body(content, _replay(content, receive))
    return Body(None, _replay_file(file, receive))


async def _refusal(call: Call, content: IO[bytes]) -> AwsError | None:
    """Why S3 refuses an upload with this body."""
    if call.service != "s3" or call.method != "PUT":
        return None
    try:
        await asyncio.to_thread(upload.check, call, content)
    except AwsError as error:
        return error
    return None


def _replay(content: bytes, receive: Receive) -> Receive:
    pending = [{"type": "http.request", "body": content, "more_body": False}]

    async def replay() -> dict[str, Any]:
        return pending.pop() if pending else await receive()

    return replay


def _replay_file(file: IO[bytes], receive: Receive) -> Receive:
    async def replay() -> dict[str, Any]:
        if file.closed:
            return await receive()
        part = await asyncio.to_thread(file.read, CHUNK)
        if not part:
            file.close()
        return {"type": "http.request", "body": part, "more_body": bool(part)}

    return replay
