"""Reads the list of metrics of a long JSON answer piece by piece: a million points are never held at once."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import AsyncIterator

from mlflow_transfer.records import Point
from mlflow_transfer.rest_json import point_from
from mlflow_transfer.sources.parsing import MALFORMED, described

_SKIPPED = " \t\r\n,"
# Characters of one point: a metric's name has at most some hundred.
_LONGEST_POINT = 1 << 20
_METRICS = re.compile(r'"metrics"\s*:\s*\[')
_TOKEN = re.compile(r'"next_page_token"\s*:\s*("(?:[^"\\]|\\.)+")')


class BrokenError(Exception):
    """The text ended before the list did."""


class NextPage(Exception):  # noqa: N818 no error: there is more
    """The answer was whole, and says that there is more under this token."""

    def __init__(self, token: str) -> None:
        super().__init__(token)
        self.token = token


async def points_of(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[list[Point]]:
    """The points of `{"metrics": [{…}, …]}`, at most about `size` at a time.

    Raises:
        BrokenError: the answer is not whole.
        NextPage: after the last point, where the server gives histories in pages.
    """
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    parse = json.JSONDecoder().raw_decode
    text, at, inside, found = "", 0, False, list[Point]()
    async for chunk in chunks:
        text = text[at:] + decode(chunk)
        at = 0
        if not inside:
            if (start := _METRICS.search(text)) is None:
                if len(text) > _LONGEST_POINT:
                    raise BrokenError("its answer holds no points")
                continue
            inside, at = True, start.end()
        while True:
            while at < len(text) and text[at] in _SKIPPED:
                at += 1
            # A metric is a flat object: it is whole once its closing brace is there.
            if at >= len(text) or text[at] == "]" or text.find("}", at) < 0:
                break
            try:
                data, at = parse(text, at)
            except (ValueError, RecursionError):
                break  # A brace within a name that is not whole yet.
            try:
                found.append(point_from(data))
            except MALFORMED as error:
                raise BrokenError(f"a point of its answer {described(error)}") from None
            if len(found) >= size:
                yield found
                found = []
        if len(text) - at > _LONGEST_POINT + len(chunk):
            raise BrokenError("its answer holds no points")
    # Without metrics the answer is `{}`: protobuf leaves empty lists out.
    if (inside and text[at : at + 1] != "]") or (not inside and not _is_empty(text)):
        raise BrokenError("its answer broke off")
    if found:
        yield found
    if more := _TOKEN.search(text, at):
        raise NextPage(json.loads(more[1]))


def _is_empty(text: str) -> bool:
    """Whether an answer is a JSON object without metrics."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "metrics" not in found
