"""SageMaker's operations for tracking servers."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from localaws.errors import AwsError
from localaws.services.context import Caller, Operations
from localaws.tracking.data_plane import not_serving
from localaws.tracking.server import TrackingServer
from localaws.tracking.servers import TrackingServers
from localaws.tracking.sessions import LINK_SECONDS, SESSION_SECONDS, Sessions
from localaws.tracking.ui import AUTH_PATH

PAGE = 10
SORT_KEYS: dict[str, Callable[[TrackingServer], Any]] = {
    "Name": lambda server: server.name,
    "CreationTime": lambda server: server.created,
    "Status": lambda server: server.status,
}


class TrackingOperations:
    """CreateMlflowTrackingServer and the other operations: handlers for SageMaker's dispatcher."""

    def __init__(self, servers: TrackingServers, sessions: Sessions) -> None:
        self._servers = servers
        self._sessions = sessions

    def operations(self) -> Operations:
        """Return the operations for SageMaker's dispatcher."""
        return Operations(
            handlers={
                "CreateMlflowTrackingServer": self.create,
                "DescribeMlflowTrackingServer": self.describe,
                "ListMlflowTrackingServers": self.list,
                "UpdateMlflowTrackingServer": self.update,
                "DeleteMlflowTrackingServer": self.delete,
                "StartMlflowTrackingServer": self.start,
                "StopMlflowTrackingServer": self.stop,
                "CreatePresignedMlflowTrackingServerUrl": self.presign,
            }
        )

    def create(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreateMlflowTrackingServer."""
        return {"TrackingServerArn": self._servers.create(caller.region, given).arn}

    def describe(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DescribeMlflowTrackingServer."""
        return self._named(caller, given).description()

    def update(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """UpdateMlflowTrackingServer."""
        server = self._named(caller, given)
        self._servers.update(server, given)
        return {"TrackingServerArn": server.arn}

    def delete(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteMlflowTrackingServer."""
        server = self._named(caller, given)
        self._servers.delete(server)
        return {"TrackingServerArn": server.arn}

    def start(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """StartMlflowTrackingServer."""
        server = self._named(caller, given)
        self._servers.start(server)
        return {"TrackingServerArn": server.arn}

    def stop(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """StopMlflowTrackingServer."""
        server = self._named(caller, given)
        self._servers.stop(server)
        return {"TrackingServerArn": server.arn}

    def presign(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreatePresignedMlflowTrackingServerUrl."""
        server = self._named(caller, given)
        if not server.serving:
            raise AwsError("ValidationException", f"{not_serving(server)}, its UI can't be opened.")
        lifetime = timedelta(seconds=given.get("ExpiresInSeconds") or LINK_SECONDS)
        session = timedelta(seconds=given.get("SessionExpirationDurationInSeconds") or SESSION_SECONDS)
        token = self._sessions.link(server.arn, caller.principal, lifetime, session)
        return {"AuthorizedUrl": f"{server.url}{AUTH_PATH}?authToken={token}"}

    def list(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListMlflowTrackingServers: newest first by default."""
        found = [server for server in self._servers.all() if server.region == caller.region and _matches(server, given)]
        found.sort(
            key=SORT_KEYS[given.get("SortBy") or "CreationTime"],
            reverse=(given.get("SortOrder") or "Descending") == "Descending",
        )
        start = _offset(given.get("NextToken"))
        end = start + (given.get("MaxResults") or PAGE)
        page: dict[str, Any] = {"TrackingServerSummaries": [server.summary() for server in found[start:end]]}
        if end < len(found):
            page["NextToken"] = base64.b64encode(str(end).encode()).decode()
        return page

    def _named(self, caller: Caller, given: dict[str, Any]) -> TrackingServer:
        return self._servers.get(caller.region, given["TrackingServerName"])


def _matches(server: TrackingServer, given: dict[str, Any]) -> bool:
    after, before = given.get("CreatedAfter"), given.get("CreatedBefore")
    return (
        (after is None or server.created > _utc(after, server.created))
        and (before is None or server.created < _utc(before, server.created))
        and given.get("TrackingServerStatus") in (None, server.status)
        and given.get("MlflowVersion") in (None, server.release.version)
    )


def _utc(given: datetime, like: datetime) -> datetime:
    """Return a time with a time zone: moto parses times as UTC, but returns naive ones."""
    return given if given.tzinfo else given.replace(tzinfo=like.tzinfo)


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True))
    except ValueError:
        raise AwsError("ValidationException", "The NextToken is not valid.") from None
