"""SageMaker's operations for tracking servers, added to moto's SageMaker."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.sagemaker.exceptions import SagemakerClientError
from moto.sagemaker.models import SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from localaws.constraints import check
from localaws.errors import AwsError
from localaws.principals import Principals
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


@dataclass(frozen=True)
class Caller:
    """Who calls, and to which region."""

    region: str
    principal: str


Answer = Callable[[Caller, dict[str, Any]], dict[str, Any]]


def install(servers: TrackingServers, sessions: Sessions, principals: Principals) -> None:
    """Gives moto's SageMaker the operations, and its tagging a look at tracking servers."""
    operations = Operations(servers, sessions)
    answers: dict[str, Answer] = {
        "CreateMlflowTrackingServer": operations.create,
        "DescribeMlflowTrackingServer": operations.describe,
        "ListMlflowTrackingServers": operations.list,
        "UpdateMlflowTrackingServer": operations.update,
        "DeleteMlflowTrackingServer": operations.delete,
        "StartMlflowTrackingServer": operations.start,
        "StopMlflowTrackingServer": operations.stop,
        "CreatePresignedMlflowTrackingServerUrl": operations.presign,
    }
    for operation, answer in answers.items():
        setattr(SageMakerResponse, camelcase_to_underscores(operation), _method(operation, answer, principals))
    _install_tagging(servers)


def _method(operation: str, answer: Answer, principals: Principals) -> Callable[[Any], ActionResult]:
    def respond(self: Any) -> ActionResult:
        try:
            check("sagemaker", operation, json.loads(self.body or "{}"))
            key = principals.key(self.get_access_key())
            caller = Caller(self.region, key.principal if key else "")
            return ActionResult(answer(caller, dict(self.params)))
        except AwsError as error:
            raise SagemakerClientError(error.code, error.message) from None

    return respond


def _install_tagging(servers: TrackingServers) -> None:
    find = SageMakerModelBackend._get_resource_from_arn

    def find_any(self: Any, arn: str) -> Any:
        if ":mlflow-tracking-server/" not in arn:
            return find(self, arn)
        server = servers.by_arn(arn)
        if server is None:
            raise SagemakerClientError("ResourceNotFound", f"Tracking Server with ARN {arn} does not exist.")
        return server

    def add_tags(self: Any, arn: str, tags: list[dict[str, str]]) -> list[dict[str, str]]:
        """moto appends; on AWS a tag of the same key is replaced."""
        resource = find_any(self, arn)
        merged = list({tag["Key"]: tag for tag in [*resource.tags, *tags]}.values())
        resource.tags = merged
        return merged

    SageMakerModelBackend._get_resource_from_arn = find_any
    SageMakerModelBackend.add_tags = add_tags


class Operations:
    """Each takes the caller and the request, and gives the response, as botocore's model shapes them."""

    def __init__(self, servers: TrackingServers, sessions: Sessions) -> None:
        self._servers = servers
        self._sessions = sessions

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
    """moto reads times as UTC without saying so."""
    return given if given.tzinfo else given.replace(tzinfo=like.tzinfo)


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True))
    except ValueError:
        raise AwsError("ValidationException", "The NextToken is not one that this operation gave.") from None
