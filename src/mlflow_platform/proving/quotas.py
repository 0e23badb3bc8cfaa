"""Whether the account may run the instances of the smoke tests. A new account's quotas are often 0."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from mlflow_common.errors import PreconditionError, first_line
from mlflow_common.waiting import Progress
from mlflow_platform.instance_quotas import ENDPOINT, REQUEST, TRANSFORM, read_quotas
from mlflow_platform.proving.budget import INSTANCE

# An endpoint and an asynchronous one beside it, and a transform job.
_NEEDED = {ENDPOINT.format(INSTANCE): 2, TRANSFORM.format(INSTANCE): 1}


def check_quotas(client: Any, progress: Progress) -> None:
    """Refuse a proof whose smoke tests would fail after an hour. A quota that cannot be read counts as large enough.

    Raises:
        PreconditionError: a quota is too small.
    """
    try:
        found = read_quotas(client, _NEEDED)
    except ClientError as error:
        progress(f"the quotas of instances cannot be read: {first_line(error)}")
        return
    small = [
        f"`{name}` is {found[name]:g}, but must be {least}"
        for name, least in _NEEDED.items()
        if found.get(name, least) < least
    ]
    if small:
        raise PreconditionError(
            f"the account's quotas are too small: {'; '.join(small)}. {REQUEST}. Nothing was created."
        )
