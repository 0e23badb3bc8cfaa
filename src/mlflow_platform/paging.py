"""Reads all pages of MLflow's searches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def all_results(search: Callable[..., Any], *given: Any, **options: Any) -> Iterator[Any]:
    """Everything that one of `MlflowClient`'s searches finds, page by page.

    Args:
        search: the method, which takes `page_token` and returns a `PagedList`.
        given, options: its other arguments.
    """
    token: str | None = None
    while True:
        page = search(*given, **options, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
