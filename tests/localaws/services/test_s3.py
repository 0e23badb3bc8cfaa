"""moto's S3 can be listed while other requests delete objects."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from moto.s3.utils import _VersionedKeyStore

from localaws.services.s3 import list_keys_while_others_delete

LISTINGS: dict[str, Callable[[Any], Iterable[Any]]] = {
    "lists": lambda store: store.iterlists(),
    "items": lambda store: store.items(),
    "values": lambda store: store.values(),
}


@pytest.mark.parametrize("listing", LISTINGS)
def test_a_key_that_is_deleted_during_a_listing_does_not_fail_it(listing: str) -> None:
    list_keys_while_others_delete()
    store = _VersionedKeyStore()
    for key in ("one", "two", "two", "three"):
        store[key] = f"{key} as it is now"
    found = iter(LISTINGS[listing](store))
    next(found)
    dict.clear(store)
    assert len(list(found)) == 2
