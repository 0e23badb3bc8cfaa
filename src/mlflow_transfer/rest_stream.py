"""Reads a long JSON answer's list of metrics piece by piece: a million points are never held at once."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import AsyncIterator

from mlflow_transfer.records import Point
from mlflow_transfer.rest_json import point_from

_SKIPPED = " \t\r\n,"
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
            start = text.find("[")
            if start < 0:
                continue
            inside, at = True, start + 1
        while True:
            while at < len(text) and text[at] in _SKIPPED:
                at += 1
            # A metric is a flat object: it is whole once its closing brace is there.
            if at >= len(text) or text[at] == "]" or text.find("}", at) < 0:
                break
            try:
                data, at = parse(text, at)
            except ValueError:
                break  # A brace within a name that is not whole yet.
            found.append(point_from(data))
            if len(found) >= size:
                yield found
                found = []
    # Without metrics the answer is `{}`: protobuf leaves empty lists out.
    if (inside and text[at : at + 1] != "]") or (not inside and "}" not in text):
        raise BrokenError
    if found:
        yield found
    if more := _TOKEN.search(text, at):
        raise NextPage(json.loads(more[1]))
