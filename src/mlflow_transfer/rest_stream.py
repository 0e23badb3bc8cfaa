"""Streams the list of metrics of a long JSON response, so that a million points are never in memory at once."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import AsyncIterator

from mlflow_transfer.records import Point
from mlflow_transfer.rest_json import point_from
from mlflow_transfer.sources.parsing import MALFORMED, described

_SKIPPED = " \t\r\n,"
# The maximum number of characters of one point. A metric's name has at most a few hundred.
_LONGEST_POINT = 1 << 20
_METRICS = re.compile(r'"metrics"\s*:\s*\[')
_TOKEN = re.compile(r'"next_page_token"\s*:\s*("(?:[^"\\]|\\.)+")')


class BrokenError(Exception):
    """The response ended before its list did, or is malformed."""


class NextPage(Exception):  # noqa: N818 no error: there is more
    """The response was complete and has a token for the next page."""

    def __init__(self, token: str) -> None:
        super().__init__(token)
        self.token = token


async def points_of(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[list[Point]]:
    """The points of `{"metrics": [{…}, …]}`, at most about `size` at a time.

    Raises:
        BrokenError: the response is incomplete or malformed.
        NextPage: raised after the last point if the server returns histories in pages.
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
                    raise BrokenError("its response contains no points")
                continue
            inside, at = True, start.end()
        while True:
            while at < len(text) and text[at] in _SKIPPED:
                at += 1
            # A metric is a flat object, so it is complete with its closing brace.
            if at >= len(text) or text[at] == "]" or text.find("}", at) < 0:
                break
            try:
                data, at = parse(text, at)
            except (ValueError, RecursionError):
                break  # The brace is part of a name that is still incomplete.
            try:
                found.append(point_from(data))
            except MALFORMED as error:
                raise BrokenError(f"a point of its response cannot be read: {described(error)}") from None
            if len(found) >= size:
                yield found
                found = []
        if len(text) - at > _LONGEST_POINT + len(chunk):
            raise BrokenError("its response contains no points")
    # Without metrics the response is `{}`, because protobuf omits empty lists.
    if (inside and text[at : at + 1] != "]") or (not inside and not _is_empty(text)):
        raise BrokenError("its response was interrupted")
    if found:
        yield found
    if more := _TOKEN.search(text, at):
        raise NextPage(json.loads(more[1]))


def _is_empty(text: str) -> bool:
    """Whether a response is that of a server without points. Any other object is, for example, a gateway's message."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and not found.keys() - {"next_page_token"}
