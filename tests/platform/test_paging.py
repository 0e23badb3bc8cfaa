"""All pages of a search are read, and no more."""

from typing import Any

from mlflow.store.entities import PagedList

from mlflow_platform.paging import all_results

PAGES = {None: PagedList([1, 2], "a"), "a": PagedList([], "b"), "b": PagedList([3], None)}


def test_all_pages_are_read_with_the_same_arguments() -> None:
    calls: list[Any] = []

    def search(*given: Any, **options: Any) -> PagedList[int]:
        calls.append((given, options["max_results"]))
        return PAGES[options["page_token"]]

    assert list(all_results(search, ["7"], max_results=2)) == [1, 2, 3]
    assert calls == [((["7"],), 2)] * 3
