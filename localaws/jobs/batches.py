"""Splits an object into requests of a transform job, and joins the responses.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
"""

from collections.abc import Iterator

from localaws.jobs.record import JobError

MEGABYTE = 1024 * 1024


def requests(content: bytes, split: str, strategy: str, payload: int) -> Iterator[bytes]:
    """The bodies of the requests for one object.

    Args:
        split: None or Line.
        strategy: MultiRecord (as many lines as fit) or SingleRecord.
        payload: bytes; 0 for no limit.

    Raises:
        JobError: the object, or a line of it, is larger than `payload`.
    """
    if split == "None":
        if payload and len(content) > payload:
            raise too_large(payload)
        yield content
        return
    batch: list[bytes] = []
    size = 0
    for line in content.splitlines(keepends=True):
        if payload and len(line) > payload:
            raise too_large(payload)
        if batch and (strategy == "SingleRecord" or (payload and size + len(line) > payload)):
            yield b"".join(batch)
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if batch:
        yield b"".join(batch)


def assemble(responses: list[bytes], how: str) -> bytes:
    """The content of the output object: with Line, each response ends in a newline."""
    if how == "Line":
        return b"".join(one if one.endswith(b"\n") else one + b"\n" for one in responses)
    return b"".join(responses)


def too_large(payload: int) -> JobError:
    """An object's failure, for the job's data log."""
    return JobError(f"ClientError: the payload is larger than MaxPayloadInMB ({payload // MEGABYTE} MB)")
