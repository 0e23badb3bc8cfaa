"""Names the workspaces of a tracking server that a client without the name of a workspace does not see.

Since MLflow 3.10 a server may have workspaces. A request names one in a header. Without it, the server answers for its
default workspace (mlflow/server/workspace_helpers.py, `resolve_workspace_from_header`).
"""

from __future__ import annotations

from mlflow_transfer.client import API_3, ApiError, RefusedError, UnansweredError
from mlflow_transfer.sources.parsing import text
from mlflow_transfer.sources.rest_listing import Listing, items_of

_OLDEST = (3, 10)
# mlflow/utils/workspace_utils.py of MLflow 3.17
_DEFAULT = "default"


async def lose_other_workspaces(listing: Listing, version: tuple[int, int] | None) -> None:
    """Record a loss for each workspace that the listings do not show.

    Args:
        version: of the server; None if it is unknown.
    """
    if version is not None and version < _OLDEST:
        return
    try:
        if (await listing.client.get("server-info", prefix=API_3)).get("workspaces_enabled") is not True:
            return
        found = items_of(await listing.client.get("workspaces", prefix=API_3), "workspaces")
    except (ApiError, RefusedError, UnansweredError):
        # A server before MLflow 3.10, or one that shows workspaces to its administrators only.
        return
    for name in listing.parsed(found, lambda workspace: text(workspace["name"]), "workspace"):
        if name != _DEFAULT:
            listing.lose(f"workspace {name!r}", "only the server's default workspace is read")
