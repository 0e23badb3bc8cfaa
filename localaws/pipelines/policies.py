"""The CacheConfig and the RetryPolicies of a step: what AWS refuses, and how long a result is reused.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching-enabling.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

# "The ExpireAfter duration can be a year, month, week, day, hour, or minute value": 30d, 5y, T16m, 30dT5h, P30D.
_DURATION = re.compile(
    r"P?(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?)?", re.IGNORECASE | re.ASCII
)
_UNITS = (
    timedelta(days=365),
    timedelta(days=30),
    timedelta(weeks=1),
    timedelta(days=1),
    timedelta(hours=1),
    timedelta(minutes=1),
)
# "The retry policy only supports the following pipeline steps": the others run no job.
_WITHOUT_RETRIES = frozenset({"Callback", "Condition", "Fail", "Lambda"})
# Editions of the page name the capacity error with and without JOB_.
_EXCEPTIONS = frozenset(
    {
        "Step.SERVICE_FAULT",
        "Step.THROTTLING",
        "SageMaker.JOB_INTERNAL_ERROR",
        "SageMaker.CAPACITY_ERROR",
        "SageMaker.JOB_CAPACITY_ERROR",
        "SageMaker.RESOURCE_LIMIT",
    }
)
# The greatest values. "A value of 0 specifies that errors are never retried."
_MOST = {"IntervalSeconds": 43200, "MaxAttempts": 20, "ExpireAfterMin": 14400}


def problems(step: dict[str, Any]) -> Iterator[str]:
    """Why AWS refuses the policies of a step."""
    config = step.get("CacheConfig") or {}
    after = config.get("ExpireAfter")
    if after is not None and (not isinstance(after, str) or lifetime(after) is None):
        yield f"ExpireAfter {after!r} is not a duration in the ISO 8601 format, such as P30D"
    policies = step.get("RetryPolicies") or []
    if policies and step.get("Type") in _WITHOUT_RETRIES:
        yield f"a step of the type {step['Type']} has no RetryPolicies"
    for policy in policies:
        yield from _policy_problems(policy)


def lifetime(text: str | None) -> timedelta | None:
    """ExpireAfter of a CacheConfig; None for no limit, and for a text that is not a duration."""
    found = _DURATION.fullmatch(text or "")
    if not found or not any(found.groups()):
        return None
    return sum((int(part or 0) * unit for part, unit in zip(found.groups(), _UNITS, strict=True)), timedelta())


def may_retry(policy: dict[str, Any], attempt: int, minutes: float) -> bool:
    """Whether a policy allows another attempt.

    Args:
        attempt: the number of attempts so far.
        minutes: the time since the step began.
    """
    if "ExpireAfterMin" in policy:
        return bool(minutes < policy["ExpireAfterMin"])
    return bool(attempt <= policy.get("MaxAttempts", 5))


def _policy_problems(policy: Any) -> Iterator[str]:
    kinds = policy.get("ExceptionType") if isinstance(policy, dict) else None
    if not isinstance(kinds, list) or not kinds or not _EXCEPTIONS.issuperset(map(str, kinds)):
        yield f"ExceptionType of a retry policy must be a list of: {', '.join(sorted(_EXCEPTIONS))}"
        return
    if "MaxAttempts" in policy and "ExpireAfterMin" in policy:
        yield "a retry policy has only one of MaxAttempts and ExpireAfterMin"
    for name, most in _MOST.items():
        value = policy.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            yield f"{name} of a retry policy must be an integer from 0 to {most}"
    rate = policy.get("BackoffRate", 1.0)
    if not isinstance(rate, int | float) or isinstance(rate, bool) or rate < 0:
        yield "BackoffRate of a retry policy must be a number that is not negative"
