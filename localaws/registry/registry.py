"""The registry's API: https://github.com/opencontainers/distribution-spec/blob/main/spec.md."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs

from localaws.call import REGISTRY_PROTOCOL, Call
from localaws.errors import AwsError
from localaws.front.asgi import Receive, Scope, Send, read_body, respond, respond_json
from localaws.registry.blobs import CHUNK, Blobs, UnknownUploadError, WrongDigestError
from localaws.registry.entrance import VERSION_HEADER
from localaws.registry.images import Images, parse_manifest
from localaws.registry.paths import DIGEST, TAG, VERSION, ParsedPath, parse

# In bytes: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html (imageManifest)
MOST_OF_MANIFEST = 4194304


class Registry:
    """Answers the requests that `RegistryEntrance` has authenticated."""

    def __init__(self, blobs: Blobs, images: Images) -> None:
        self._blobs = blobs
        self._images = images

    @staticmethod
    def takes(call: Call) -> bool:
        """Whether it is a registry request."""
        return call.protocol == REGISTRY_PROTOCOL

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI.

        Raises:
            AwsError: the request is refused.
        """
        call: Call = scope["localaws.call"]
        parsed = parse(call.method, call.path)
        if parsed.operation == VERSION:
            await respond(send, 200, {"content-type": "application/json", **VERSION_HEADER}, b"{}")
            return
        if not parsed.operation:
            raise AwsError("UNSUPPORTED", f"The registry has no {call.method} {call.path}", 405)
        self._images.require(parsed.repository)
        match parsed.operation:
            case "InitiateLayerUpload":
                await self._begin(call, parsed, receive, send)
            case "UploadLayerPart" | "CompleteLayerUpload":
                await self._upload(call, parsed, receive, send)
            case "GetDownloadUrlForLayer" | "BatchCheckLayerAvailability":
                await self._blob(call, parsed, send)
            case "PutImage":
                await self._put(call, parsed, receive, send)
            case "BatchGetImage":
                await self._get(call, parsed, send)
            case _:
                await self._tags(call, parsed, send)

    async def _begin(self, call: Call, parsed: ParsedPath, receive: Receive, send: Send) -> None:
        # `mount` is ignored, as the specification allows: layers belong to one repository.
        given = _query(call)
        upload = self._blobs.begin(parsed.repository)
        if "digest" in given:
            await self._append(parsed.repository, upload, receive)
            await self._complete(parsed.repository, upload, _digest(given["digest"]), send)
            return
        await self._accepted(parsed.repository, upload, send)

    async def _upload(self, call: Call, parsed: ParsedPath, receive: Receive, send: Send) -> None:
        repository, upload = parsed.repository, parsed.reference
        try:
            size = self._blobs.size(repository, upload)
            if call.method == "GET":
                await self._accepted(repository, upload, send, status=204)
                return
            start = call.headers.get("content-range", "").partition("-")[0]
            if start.isdecimal() and int(start) != size:
                raise AwsError("RANGE_INVALID", f"The upload has {size} bytes, and the part begins at {start}", 416)
            await self._append(repository, upload, receive)
            if call.method == "PATCH":
                await self._accepted(repository, upload, send)
            else:
                await self._complete(repository, upload, _digest(_query(call).get("digest", "")), send)
        except UnknownUploadError:
            raise AwsError("BLOB_UPLOAD_UNKNOWN", f"There is no upload {upload}", 404) from None

    async def _append(self, repository: str, upload: str, receive: Receive) -> None:
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            if part := message.get("body", b""):
                await asyncio.to_thread(self._blobs.append, repository, upload, part)

    async def _complete(self, repository: str, upload: str, digest: str, send: Send) -> None:
        try:
            await asyncio.to_thread(self._blobs.complete, repository, upload, digest)
        except WrongDigestError as error:
            raise AwsError("DIGEST_INVALID", f"The layer has digest {error}, not {digest}", 400) from None
        await _created(send, f"/v2/{repository}/blobs/{digest}", digest)

    async def _accepted(self, repository: str, upload: str, send: Send, status: int = 202) -> None:
        size = self._blobs.size(repository, upload)
        headers = {
            "location": f"/v2/{repository}/blobs/uploads/{upload}",
            "docker-upload-uuid": upload,
            "range": f"0-{max(0, size - 1)}",
            **VERSION_HEADER,
        }
        await respond(send, status, headers, b"")

    async def _blob(self, call: Call, parsed: ParsedPath, send: Send) -> None:
        file = self._blobs.path(parsed.repository, _digest(parsed.reference))
        if file is None:
            raise AwsError("BLOB_UNKNOWN", f"The repository has no layer {parsed.reference}", 404)
        headers = {"content-type": "application/octet-stream", "docker-content-digest": parsed.reference}
        await _send_file(send, file, headers, only_headers=call.method == "HEAD")

    async def _put(self, call: Call, parsed: ParsedPath, receive: Receive, send: Send) -> None:
        try:
            content = await read_body(receive, MOST_OF_MANIFEST)
        except ValueError as error:
            raise AwsError("MANIFEST_INVALID", str(error), 413) from None
        media_type, files, manifests = parse_manifest(content, call.headers.get("content-type", ""))
        for digest in files:
            if not DIGEST.fullmatch(digest) or self._blobs.path(parsed.repository, digest) is None:
                raise AwsError("BLOB_UNKNOWN", f"Layers with digests '[{digest}]' do not exist in the repository", 404)
        for digest in manifests:
            if self._images.find(parsed.repository, digest) is None:
                raise AwsError("MANIFEST_UNKNOWN", f"Images with digests '[{digest}]' do not exist", 404)
        by_digest = DIGEST.fullmatch(parsed.reference)
        if not by_digest and not TAG.fullmatch(parsed.reference):
            raise AwsError("TAG_INVALID", f"'{parsed.reference}' is not a tag", 400)
        tag = None if by_digest else parsed.reference
        digest = await asyncio.to_thread(self._images.put, parsed.repository, content, media_type, tag)
        if by_digest and digest != parsed.reference:
            raise AwsError("DIGEST_INVALID", f"The manifest has digest {digest}, not {parsed.reference}", 400)
        await _created(send, f"/v2/{parsed.repository}/manifests/{digest}", digest)

    async def _get(self, call: Call, parsed: ParsedPath, send: Send) -> None:
        image = self._images.find(parsed.repository, parsed.reference)
        if image is None:
            raise AwsError("MANIFEST_UNKNOWN", "Requested image not found", 404)
        content = image.image_manifest.encode()
        headers = {
            "content-type": image.image_manifest_media_type,
            "docker-content-digest": image.image_digest,
            **VERSION_HEADER,
        }
        if call.method == "HEAD":
            await _send_headers(send, {**headers, "content-length": str(len(content))})
        else:
            await respond(send, 200, headers, content)

    async def _tags(self, call: Call, parsed: ParsedPath, send: Send) -> None:
        given = _query(call)
        tags = [tag for tag in self._images.tags(parsed.repository) if tag > given.get("last", "")]
        most = given.get("n", "")
        await respond_json(
            send, 200, {"name": parsed.repository, "tags": tags[: int(most)] if most.isdecimal() else tags}
        )


async def _created(send: Send, location: str, digest: str) -> None:
    await respond(send, 201, {"location": location, "docker-content-digest": digest, **VERSION_HEADER}, b"")


async def _send_headers(send: Send, headers: Mapping[str, str]) -> None:
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": lines})
    await send({"type": "http.response.body", "body": b""})


async def _send_file(send: Send, file: Path, headers: dict[str, str], *, only_headers: bool) -> None:
    size = file.stat().st_size
    headers = {**headers, **VERSION_HEADER, "content-length": str(size)}
    if only_headers:
        await _send_headers(send, headers)
        return
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": lines})
    with file.open("rb") as content:
        left = size
        while left:
            part = await asyncio.to_thread(content.read, CHUNK)
            left -= len(part)
            await send({"type": "http.response.body", "body": part, "more_body": bool(left)})
    if not size:
        await send({"type": "http.response.body", "body": b""})


def _query(call: Call) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(call.query).items()}


def _digest(text: str) -> str:
    if not DIGEST.fullmatch(text):
        raise AwsError("DIGEST_INVALID", f"'{text}' is not a sha256 digest", 400)
    return text
