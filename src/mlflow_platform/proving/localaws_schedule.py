"""Runs a schedule on localaws, which never waits for a schedule's time."""

from __future__ import annotations

import json
from urllib.request import ProxyHandler, Request, build_opener

from mlflow_common.errors import PlatformError
from mlflow_platform.localaws_client import CONTROL_HEADERS


def run_schedule(url: str, group: str, name: str) -> None:
    """Run a schedule now.

    Raises:
        PlatformError: its target refused the call.
    """
    request = Request(f"{url}/_localaws/schedules/{group}/{name}/run", method="POST", headers=CONTROL_HEADERS)  # noqa: S310
    with build_opener(ProxyHandler({})).open(request, timeout=300) as answer:
        found = json.load(answer)
    if found.get("error"):
        raise PlatformError(f"the schedule {name} failed: {found['error']}")
