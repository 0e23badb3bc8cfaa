"""Finds whatever can answer tracking calls: the tracking servers and the Apps."""

from localaws.tracking.apps import MlflowApps
from localaws.tracking.hosted import HostedMlflow
from localaws.tracking.servers import TrackingServers


class Catalog:
    """The tracking servers and the Apps of the account."""

    def __init__(self, servers: TrackingServers, apps: MlflowApps) -> None:
        self._servers = servers
        self._apps = apps

    def by_arn(self, arn: str) -> HostedMlflow | None:
        """Return the server or App with an ARN, if any."""
        return self._servers.by_arn(arn) or self._apps.by_arn(arn)

    def by_host(self, label: str) -> HostedMlflow | None:
        """Return the server or App that a UI URL identifies, if any."""
        return next((hosted for hosted in self.all() if hosted.host == label), None)

    def all(self) -> list[HostedMlflow]:
        """Return all of them."""
        return [*self._servers.all(), *self._apps.all()]
