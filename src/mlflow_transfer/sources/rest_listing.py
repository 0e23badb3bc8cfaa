"""Lists the records of a tracking server over its REST API. Pages and records that cannot be read are losses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

from mlflow_common.errors import PlatformError
from mlflow_transfer.client import API, ApiError, Client, UnansweredError
from mlflow_transfer.losses import LossLog
from mlflow_transfer.sources.parsing import MALFORMED, described

_SHOWN = 150
# MLflow's servers return no empty page but the last one; a gateway that filters may.
_MOST_EMPTY_PAGES = 1_000

T = TypeVar("T")


class Listing:
    """The pages of a server's listings, and their records.

    Attributes:
        lenient: a record or page that cannot be read is a loss; otherwise it is an error. A destination is never
            lenient, because objects that seem to be missing would be created again.
        losses: what could not be read so far.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.lenient = False
        self.losses = LossLog()

    async def pages(
        self, path: str, body: dict[str, Any], name: str, place: str, *, prefix: str = API
    ) -> AsyncIterator[list[Any]]:
        """All pages of a listing that is requested with POST.

        Args:
            name: the list in each response.
            place: the listing in the message of a loss.
        """

        def ask(more: dict[str, Any]) -> Awaitable[Any]:
            return self.client.post(path, {**body, **more}, writes=False, prefix=prefix)

        async for page in self._paged(ask, name, place):
            yield page

    async def pages_of_get(self, path: str, query: dict[str, Any], name: str, place: str) -> AsyncIterator[list[Any]]:
        """All pages of a listing that is requested with GET. The arguments are those of `pages`."""

        def ask(more: dict[str, Any]) -> Awaitable[Any]:
            return self.client.get(path, {**query, **more})

        async for page in self._paged(ask, name, place):
            yield page

    async def _paged(
        self, ask: Callable[[dict[str, Any]], Awaitable[Any]], name: str, place: str
    ) -> AsyncIterator[list[Any]]:
        """All pages. A page that the server cannot return is a loss, together with all following pages.

        Args:
            ask: makes the call for a page with its token.
        """
        tokens, empty = [""], 0
        while True:
            more = {"page_token": tokens[-1]} if tokens[-1] else {}
            try:
                answer = await ask(more)
                page, token = items_of(answer, name), answer.get("next_page_token") or ""
                if token in tokens[1:] or not isinstance(token, str):
                    raise UnansweredError(f"{self.client.name} returns the same page again")
                empty = 0 if page else empty + 1
                if token and empty > _MOST_EMPTY_PAGES:
                    raise UnansweredError(f"{self.client.name} returns {empty} empty pages one after another")
            except (ApiError, UnansweredError) as error:
                # If the first page fails, the server cannot list such objects at all.
                if len(tokens) == 1 and name == "experiments":
                    raise
                self.lose(place if len(tokens) == 1 else f"{place}, from page {len(tokens)} on", error.message)
                return
            yield page
            if not token:
                return
            tokens.append(token)

    def parsed(self, page: Iterable[Any], parse: Callable[[Any], T], place: str) -> list[T]:
        """The records of a page. Malformed ones are losses."""
        found = []
        for data in page:
            try:
                found.append(parse(data))
            except MALFORMED as error:
                self.lose(f"{place} ({_shown(data)})", f"{self.client.name} describes it wrongly: {described(error)}")
        return found

    def lose(self, place: str, reason: str) -> None:
        """Record a loss.

        Raises:
            PlatformError: the listing is not lenient.
        """
        if not self.lenient:
            raise PlatformError(f"{place} cannot be read: {reason}")
        self.losses.add(place, reason)


def items_of(answer: Any, name: str) -> list[Any]:
    """A list in a response; protobuf omits empty lists.

    Raises:
        UnansweredError: it is not a list, or the response is something else, such as a gateway's message.
    """
    found = answer.get(name, [])
    if not isinstance(found, list):
        raise UnansweredError(f"the response's {name} are not a list")
    if name not in answer and answer.keys() - {"next_page_token"}:
        raise UnansweredError(f"the response has no {name}, but {', '.join(sorted(answer))[:_SHOWN]!r}")
    return found


def _shown(data: Any) -> str:
    text = ascii(data)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
