"""The pages, orders and filters that ListMlflowTrackingServers and ListMlflowApps have in common."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from localaws.errors import AwsError
from localaws.page_tokens import position_of, token_at
from localaws.tracking.hosted import HostedMlflow

PAGE = 10
H = TypeVar("H", bound=HostedMlflow)
SORT_KEYS = {"Name": "name", "CreationTime": "created", "Status": "status"}


def page(found: Sequence[H], given: dict[str, Any]) -> tuple[list[H], dict[str, str]]:
    """Return one page, newest first by default, and the `NextToken` if there are more.

    Raises:
        AwsError: ValidationException for a NextToken that is not valid.
    """
    key = SORT_KEYS[given.get("SortBy") or "CreationTime"]
    descending = (given.get("SortOrder") or "Descending") == "Descending"
    ordered = sorted(found, key=lambda one: getattr(one, key), reverse=descending)
    try:
        start = position_of(given.get("NextToken"))
    except ValueError:
        raise AwsError("ValidationException", "The NextToken is not valid.") from None
    end = start + (given.get("MaxResults") or PAGE)
    rest = {"NextToken": token_at(end)} if end < len(ordered) else {}
    return ordered[start:end], rest


def created_within(one: HostedMlflow, given: dict[str, Any]) -> bool:
    """Return whether it was created between `CreatedAfter` and `CreatedBefore`."""
    after, before = given.get("CreatedAfter"), given.get("CreatedBefore")
    return (after is None or one.created > _utc(after, one.created)) and (
        before is None or one.created < _utc(before, one.created)
    )


def _utc(given: datetime, like: datetime) -> datetime:
    """Return a time with a time zone: moto parses times as UTC, but returns naive ones."""
    return given if given.tzinfo else given.replace(tzinfo=like.tzinfo)
