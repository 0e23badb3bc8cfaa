"""Errors of tasks that ran concurrently."""

from __future__ import annotations

from mlflow_common.errors import PlatformError


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The most useful error of the group: the first one that says what to do, otherwise the first one."""
    found = [first_error(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((error for error in found if isinstance(error, PlatformError)), found[0])
