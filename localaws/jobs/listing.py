"""ListXJobs: filters, order and pages, which all kinds of jobs have in common.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListProcessingJobs.html
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from localaws.endpoints.records import refusal
from localaws.page_tokens import position_of, token_at

DEFAULT = 10
# Filter of the request, member of the record, and whether they match.
_TIMES: dict[str, tuple[str, Callable[[datetime, datetime], bool]]] = {
    "CreationTimeAfter": ("CreationTime", lambda found, given: found >= given),
    "CreationTimeBefore": ("CreationTime", lambda found, given: found <= given),
    "LastModifiedTimeAfter": ("LastModifiedTime", lambda found, given: found >= given),
    "LastModifiedTimeBefore": ("LastModifiedTime", lambda found, given: found <= given),
    "CreatedAfter": ("CreationTime", lambda found, given: found > given),
    "CreatedBefore": ("CreationTime", lambda found, given: found < given),
}
# "The default is Ascending": API_ListTrainingJobs, API_ListProcessingJobs, API_ListHyperParameterTuningJobs and
# API_ListTrainingJobsForHyperParameterTuningJob. That of the other lists is Descending, or is not documented.
_ASCENDING = frozenset({"TrainingJob", "ProcessingJob", "HyperParameterTuningJob"})


def select(items: Iterable[dict[str, Any]], given: dict[str, Any], noun: str, by: str = "CreationTime") -> Any:
    """The items of one page, and the token of the next (None on the last page).

    Args:
        items: as DescribeX returns them.
        given: the request.
        noun: `ProcessingJob` for ProcessingJobName and ProcessingJobStatus.
        by: the member to sort by if the request names none.

    Raises:
        AwsError: ValidationException for an unknown token.
    """
    return page(matching(items, given, noun, by), given)


def matching(
    items: Iterable[dict[str, Any]], given: dict[str, Any], noun: str, by: str = "CreationTime"
) -> list[dict[str, Any]]:
    """The items that a request's filters leave, in its order; see `select`."""
    found = [item for item in items if _matches(item, given, noun)]
    order = {"Name": f"{noun}Name", "Status": f"{noun}Status"}.get(given.get("SortBy") or "", given.get("SortBy") or by)
    default = "Ascending" if noun in _ASCENDING else "Descending"
    descending = (given.get("SortOrder") or default) == "Descending"
    found.sort(key=lambda item: str(item.get(order, "")), reverse=descending)
    return found


def page(found: list[Any], given: dict[str, Any]) -> Any:
    """The items of one page, and the token of the next (None on the last page).

    Raises:
        AwsError: ValidationException for an unknown token.
    """
    try:
        start = position_of(given.get("NextToken"))
    except ValueError:
        raise refusal(f"Invalid NextToken: {given['NextToken']}") from None
    end = start + int(given.get("MaxResults") or DEFAULT)
    return found[start:end], token_at(end) if end < len(found) else None


def _matches(item: dict[str, Any], given: dict[str, Any], noun: str) -> bool:
    if given.get("NameContains") and given["NameContains"] not in item[f"{noun}Name"]:
        return False
    if given.get("StatusEquals") and given["StatusEquals"] != item[f"{noun}Status"]:
        return False
    # Filters of ListTrainingJobs. No job of localaws has a warm pool.
    if given.get("WarmPoolStatusEquals"):
        return False
    plan = given.get("TrainingPlanArnEquals")
    if plan and plan != (item.get("ResourceConfig") or {}).get("TrainingPlanArn"):
        return False
    return all(
        matches(_time(item[member]), _time(given[name]))
        for name, (member, matches) in _TIMES.items()
        if given.get(name)
    )


def _time(value: Any) -> datetime:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)
