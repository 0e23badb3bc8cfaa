"""Opens servers and stores with shared AWS sessions, S3 client and retry policy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mlflow_common.arns import ServerArn
from mlflow_common.errors import InputError, PreconditionError, error_code, is_not_found
from mlflow_common.retry import Retry
from mlflow_transfer.access import Access
from mlflow_transfer.auth import Bearer, Renewal, SigV4
from mlflow_transfer.client import Client, is_loopback
from mlflow_transfer.location import shown
from mlflow_transfer.rate import LIMITS, Rate
from mlflow_transfer.sources.rest import RestSource, version_number
from mlflow_transfer.stores import Proxy, Roots, Store, artifact_top, local_path, open_store, split_s3
from mlflow_transfer.stores.opening import served_path

_RUNNING = frozenset({"Created", "Started", "Updated", "MaintenanceComplete", "MaintenanceInProgress", "Updating"})
_ENDPOINT = "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT"
_TRUST = "If you trust that location, name it with --trust-artifacts"


@dataclass(frozen=True)
class _Described:
    """The description of a server by AWS; empty if the description is not allowed. Apps have no size."""

    version: str = ""
    size: str = ""
    artifact_store: str = ""
    more_stores: tuple[str, ...] = ()
    hint: str = _TRUST


class ConnectionFactory:
    """Opens servers and stores.

    Args:
        session: returns a fresh boto3 session, which reads the credentials again.
        trusted: locations from the operator. Artifacts of any source may be read below them.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        session: Callable[[], boto3.Session] = boto3.Session,
        retry: Retry | None = None,
        concurrency: int = 16,
        trusted: Sequence[str] = (),
    ) -> None:
        self._environ, self._session = environ, session
        self.retry = retry or Retry()
        self._concurrency = concurrency
        self._trusted = tuple(trusted)
        for uri in self._trusted:
            if "://" in uri and not uri.startswith(("s3://", "file:///")):
                raise InputError(f"{uri} cannot be trusted: give s3://BUCKET/PREFIX, file:///FOLDER or a folder")

    @cached_property
    def _s3(self) -> Any:
        endpoint = self._environ.get("MLFLOW_S3_ENDPOINT_URL") or None
        config = Config(retries={"mode": "adaptive", "total_max_attempts": 8}, max_pool_connections=32)
        session = self._session()
        client: Any = session.client("s3", endpoint_url=endpoint, config=config)
        if (held := session.get_credentials()) is not None:
            Renewal(client, held, self._credentials)
        return client

    def s3(self) -> Any:
        """The S3 client."""
        return self._s3

    def store(self, uri: str) -> Store:
        """The store of a folder or S3 prefix that the operator named."""
        return open_store(uri, self.s3)

    def stores(self, own: Sequence[str], artifact_root: str | None = None) -> Callable[[str], Store]:
        """Opens artifact URIs of a database or file store.

        Args:
            own: the source's own artifact locations that its users cannot choose.
            artifact_root: the location of artifacts that its server serves (mlflow-artifacts), or keeps in a folder
                that is not on this machine.
        """
        roots = Roots([*own, *self._trusted], _TRUST)

        def store(uri: str) -> Store:
            if artifact_root is not None and (path := _moved_path(uri)) is not None:
                place = f"{artifact_root.rstrip('/')}/{path}" if path else artifact_root
                return open_store(place, self.s3, roots=Roots([artifact_root]))
            return open_store(uri, self.s3, roots=roots)

        return store

    async def server(self, text: str, access: Access | None = None, stores: Sequence[str] = ()) -> RestSource:
        """A tracking server, by its ARN or URL.

        Args:
            stores: more artifact stores of a server of AWS, such as former ones.

        Raises:
            InputError: the text does not name a server.
            PreconditionError: the server does not answer, is not running, or refuses the credentials.
        """
        access = access or Access()
        if text.startswith("arn:"):
            return await self._amazon(text, access, stores)
        return await self._plain(_server_url(text), access)

    async def _plain(self, parts: SplitResult, access: Access) -> RestSource:
        username = access.username or parts.username or ""
        password = access.password or parts.password or ""
        host = parts.netloc.rpartition("@")[2]
        url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        auth: httpx.Auth | None = None
        if access.token:
            auth = Bearer(access.token)
        elif username:
            auth = httpx.BasicAuth(username, password)
        client = self._client(url, url, auth, access, Rate(access.limit, max(1, int(access.limit or 1))))
        try:
            version = await client.text("/version")
            if version_number(version) is None:
                raise PreconditionError(
                    f"{url} is not an MLflow server: it answers /version with {version[:80]!r}. Check the URL, and "
                    "give credentials if the server asks for a login"
                )
        except BaseException:
            await client.close()
            raise
        return self._rest(client, _Described(version), url, url, auth, access)

    async def _amazon(self, text: str, access: Access, stores: Sequence[str]) -> RestSource:
        arn = ServerArn.parse(text)
        described = replace(self._describe(arn), more_stores=tuple(stores))
        url = self._environ.get(_ENDPOINT, "") or arn.url
        auth = SigV4(self._credentials, arn.region, arn.signing_name, arn.header, text)
        limit, burst = LIMITS.get(described.size, LIMITS["Small"])
        if access.limit is not None:
            limit, burst = access.limit, max(1, int(access.limit))
        client = self._client(arn.name, url.rstrip("/"), auth, access, Rate(limit, burst))
        return self._rest(client, described, text, url, auth, access)

    def _credentials(self) -> Any:
        found = self._session().get_credentials()
        if found is None:
            raise PreconditionError(
                "there are no AWS credentials: log in (`aws sso login`) or set AWS_PROFILE, then try again"
            )
        return found

    def _describe(self, arn: ServerArn) -> _Described:
        what = "MLflow App" if arn.app else "tracking server"
        try:
            client: Any = self._session().client("sagemaker", region_name=arn.region)
            if arn.app:
                found = client.describe_mlflow_app(Arn=arn.text)
            else:
                found = client.describe_mlflow_tracking_server(TrackingServerName=arn.name)
        except ClientError as error:
            if is_not_found(error) or error_code(error) == "ValidationException":
                raise PreconditionError(f"there is no {what} {arn.name} in {arn.region}: check its ARN") from None
            action = "DescribeMlflowApp" if arn.app else "DescribeMlflowTrackingServer"
            return _Described(
                hint=f"Its artifact store is unknown, because sagemaker:{action} is not allowed ({error_code(error)}): "
                "allow it, or name the store with --trust-artifacts"
            )
        except BotoCoreError as error:
            raise PreconditionError(f"AWS cannot describe {arn.name}: {error}") from None
        status = found.get("Status" if arn.app else "TrackingServerStatus", "")
        if status not in _RUNNING:
            todo = "wait until it is ready" if arn.app else "start it"
            raise PreconditionError(f"the {what} {arn.name} is {status}: {todo} and try again")
        return _Described(
            found.get("MlflowVersion", ""), found.get("TrackingServerSize", ""), found.get("ArtifactStoreUri", "")
        )

    def _client(self, name: str, url: str, auth: httpx.Auth | None, access: Access, rate: Rate) -> Client:
        return Client(
            name,
            url,
            auth=auth,
            verify=access.tls,
            rate=rate,
            retry=self.retry,
            concurrency=self._concurrency,
        )

    def _rest(
        self, client: Client, described: _Described, identity: str, url: str, auth: httpx.Auth | None, access: Access
    ) -> RestSource:
        http = httpx.Client(base_url=url, auth=auth, verify=access.tls, timeout=300.0, trust_env=not is_loopback(url))
        roots = Roots([described.artifact_store, *described.more_stores, *self._trusted], described.hint)

        def counted(call: str) -> None:
            client.calls.made[call] += 1
            client.calls.writes += call.startswith("PUT")
            # One rate limit of the server covers all requests.
            time.sleep(client.rate.take())

        def proxy(root: str) -> Proxy:
            return Proxy(http, root, counted, self.retry, client.rate.throttled)

        def store(uri: str) -> Store:
            # A server of AWS may serve its own store, in which the backups are.
            path = served_path(uri) if described.artifact_store else None
            own = f"{described.artifact_store.rstrip('/')}/{path}" if path is not None else uri
            if (place := split_s3(own)) is not None and roots.backups_at(*place) is not None:
                return roots.refuse(own)
            return open_store(uri, self.s3, proxy, roots)

        return RestSource(client, described.version, store, identity, closing=http.close)


def _server_url(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
        httpx.URL(text)
    except (ValueError, httpx.InvalidURL) as error:
        # Python's reasons quote the part of the URL in which the password is.
        reason = "" if "@" in text else f" ({error})"
        raise InputError(f"{shown(text)} is not a URL{reason}: give an ARN or an http(s) URL") from None
    if not known:
        raise InputError(f"{shown(text)} is not a tracking server: give an ARN or an http(s) URL")
    return parts


def _moved_path(uri: str) -> str | None:
    """The path of an artifact below `--artifact-root`; None if its URI can be opened directly."""
    if uri.startswith("mlflow-artifacts:"):
        return served_path(uri)
    folder = local_path(uri)
    if folder is None or artifact_top(folder).is_dir():
        return None
    return folder.relative_to(artifact_top(folder)).as_posix()
