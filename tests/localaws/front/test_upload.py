"""Bodies of uploads to S3: what is not complete, not well-formed or not what its checksum says is refused."""

import base64
import hashlib
import io
import zlib

import pytest

from localaws.call import Call
from localaws.credentials import Key
from localaws.errors import AwsError
from localaws.front.sigv4 import Signature, verify
from localaws.front.upload import SIGNED, check

UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CRC32 = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()
SHA256 = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
MD5 = base64.b64encode(hashlib.md5(b"hello", usedforsecurity=False).digest()).decode()
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


def outcome(body: bytes, **headers: str) -> str:
    """The code of the error; empty if the body is accepted."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        check(Call("PUT", "/b/k", "/b/k", "", named, body, service="s3"), io.BytesIO(body))
    except AwsError as error:
        return error.code
    return ""


def chunked(body: bytes, size: str = "5", **headers: str) -> str:
    return outcome(body, x_amz_content_sha256=UNSIGNED, x_amz_decoded_content_length=size, **headers)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, ""),
        ({"content_md5": MD5, "x_amz_checksum_crc32": CRC32, "x_amz_checksum_sha256": SHA256}, ""),
        ({"x_amz_checksum_crc32c": "not checked"}, ""),
        ({"x_amz_checksum_crc32": "AAAAAA=="}, "BadDigest"),
        ({"x_amz_checksum_sha256": base64.b64encode(bytes(32)).decode()}, "BadDigest"),
        ({"x_amz_checksum_sha256": CRC32}, "InvalidRequest"),
        ({"x_amz_checksum_sha1": "é"}, "InvalidRequest"),
        ({"content_md5": base64.b64encode(bytes(16)).decode()}, "BadDigest"),
        ({"content_md5": "x"}, "InvalidDigest"),
        ({"x_amz_content_sha256": "STREAMING-OTHER"}, "InvalidArgument"),
        ({"x_amz_content_sha256": UNSIGNED}, "MissingContentLength"),
    ],
)
def test_checksums_must_be_those_of_the_body(headers: dict[str, str], code: str) -> None:
    assert outcome(b"hello", **headers) == code


@pytest.mark.parametrize(
    ("body", "size", "code"),
    [
        (CHUNKS, "5", ""),
        (b"0\r\n\r\n", "0", ""),
        (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "5", ""),
        (CHUNKS, "4", "IncompleteBody"),
        (CHUNKS, "-5", "MissingContentLength"),
        (CHUNKS, "five", "MissingContentLength"),
        (b"hello", "5", "IncompleteBody"),
        (b"", "0", "IncompleteBody"),
        (b"5\r\nhello\r\n", "5", "IncompleteBody"),
        (b"6\r\nhello\r\n0\r\n\r\n", "6", "IncompleteBody"),
        (b"-5\r\nhello\r\n0\r\n\r\n", "0", "IncompleteBody"),
        (b"0x5\r\nhello\r\n0\r\n\r\n", "5", "IncompleteBody"),
        (b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n", "5", "IncompleteBody"),
        (b"5" * 20_000, "5", "IncompleteBody"),
        (b"5\nhello\n0\n\n", "5", "IncompleteBody"),
    ],
)
def test_chunks_must_be_complete_and_well_formed(body: bytes, size: str, code: str) -> None:
    assert chunked(body, size) == code


@pytest.mark.parametrize(
    ("trailer", "code"),
    [
        (f"x-amz-checksum-crc32:{CRC32}", ""),
        (f"X-Amz-Checksum-CRC32: {CRC32}", ""),
        ("x-amz-checksum-crc32:AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc32:", "InvalidRequest"),
        (f"x-amz-checksum-sha256:{SHA256}", "MalformedTrailerError"),
        ("", "MalformedTrailerError"),
    ],
)
def test_a_trailing_checksum_must_be_that_of_the_chunks(trailer: str, code: str) -> None:
    body = b"5\r\nhello\r\n0\r\n" + trailer.encode() + b"\r\n\r\n"
    assert chunked(body, x_amz_trailer="x-amz-checksum-crc32") == code


def test_the_signatures_of_chunks_are_those_of_the_example_in_the_documentation() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html ("Example: PUT Object")."""
    signatures = (
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",  # pragma: allowlist secret
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",  # pragma: allowlist secret
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",  # pragma: allowlist secret
    )
    seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"  # pragma: allowlist secret
    key = Key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "example")  # pragma: allowlist secret
    access_key = "AKIAIOSFODNN7EXAMPLE"  # pragma: allowlist secret
    names = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length"
    headers = {
        "content-encoding": "aws-chunked",
        "content-length": "66824",
        "host": "s3.amazonaws.com",
        "x-amz-content-sha256": SIGNED,
        "x-amz-date": "20130524T000000Z",
        "x-amz-decoded-content-length": "66560",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "authorization": f"AWS4-HMAC-SHA256 Credential={access_key}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={names};x-amz-storage-class,Signature={seed}",
    }
    path = "/examplebucket/chunkObject.txt"

    def verified(*given: str) -> None:
        body = b"".join(
            f"{len(data):x};chunk-signature={signature}\r\n".encode() + data + b"\r\n"
            for data, signature in zip((b"a" * 65536, b"a" * 1024, b""), given, strict=True)
        )
        call = Call("PUT", path, path, "", headers, body, service="s3", protocol="rest-xml")
        check(call, io.BytesIO(body))
        signature = Signature.of(call)
        assert signature
        verify(call, signature, lambda _: key, signature.timestamp)

    verified(*signatures)
    for wrong in (0, 1, 2):
        changed = ["0" * 64 if number == wrong else one for number, one in enumerate(signatures)]
        with pytest.raises(AwsError, match="SignatureDoesNotMatch"):
            verified(*changed)
