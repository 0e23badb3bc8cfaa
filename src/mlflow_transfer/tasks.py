"""Errors of tasks that ran together."""

from __future__ import annotations

from mlflow_common.errors import PlatformError


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error of the group that a person should read: the first that says what to do, else the first of all."""
    found = [first_error(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((error for error in found if isinstance(error, PlatformError)), found[0])
