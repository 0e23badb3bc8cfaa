"""SageMaker's operations for tracking servers."""

from typing import Any

from localaws.services.context import Caller, Operations
from localaws.tracking.paging import created_within, page
from localaws.tracking.presigned_link import presigned_link
from localaws.tracking.server import TrackingServer
from localaws.tracking.servers import TrackingServers
from localaws.tracking.sessions import Sessions


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
        return {"AuthorizedUrl": presigned_link(self._sessions, server, caller, given)}

    def list(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListMlflowTrackingServers: newest first by default."""
        found = [server for server in self._servers.all() if server.region == caller.region and _matches(server, given)]
        shown, rest = page(found, given)
        return {"TrackingServerSummaries": [server.summary() for server in shown], **rest}

    def _named(self, caller: Caller, given: dict[str, Any]) -> TrackingServer:
        return self._servers.get(caller.region, given["TrackingServerName"])


def _matches(server: TrackingServer, given: dict[str, Any]) -> bool:
    return (
        created_within(server, given)
        and given.get("TrackingServerStatus") in (None, server.status)
        and given.get("MlflowVersion") in (None, server.release.version)
    )
