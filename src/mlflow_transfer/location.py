"""What a person names as source or destination, opened: an ARN, a URL, a folder, a database, an archive."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mlflow_common.arns import ServerArn
from mlflow_common.errors import InputError, PreconditionError, error_code
from mlflow_common.retry import Retry
from mlflow_transfer.auth import Bearer, Renewal, SigV4
from mlflow_transfer.client import Client
from mlflow_transfer.rate import LIMITS, Rate
from mlflow_transfer.rest_source import RestSource
from mlflow_transfer.stores import Proxy, Store, artifact_top, local_path, open_store

_RUNNING = frozenset({"Created", "Started", "Updated", "MaintenanceComplete", "MaintenanceInProgress", "Updating"})
_ENDPOINT = "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT"
_SECRETS = ("USERNAME", "PASSWORD", "TOKEN", "KEY_PASSWORD")
DATABASES = ("sqlite", "postgresql", "postgres", "mysql", "mssql")


@dataclass(frozen=True)
class Access:
    """How to get into one server.

    Args:
        username, password: for basic authentication.
        token: for bearer authentication.
        ca: a file of certificates to trust beside those that are trusted anyway.
        client_cert, client_key: a client certificate and its key (PEM), which may lie in one file.
        key_password: what the key is encrypted with.
        insecure: take any certificate.
        limit: requests a second, in place of the size's documented limit.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    key_password: str = field(default="", repr=False)
    insecure: bool = False
    limit: float | None = None

    @classmethod
    def of(cls, side: str, environ: Mapping[str, str], **given: Any) -> Access:
        """With the secrets of `TRANSFER_{side}_USERNAME`, `_PASSWORD`, `_TOKEN` and `_KEY_PASSWORD`."""
        secrets: dict[str, Any] = {one.lower(): environ.get(f"TRANSFER_{side}_{one}", "") for one in _SECRETS}
        return cls(**secrets, **given)

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """What httpx is to verify with: one context for all connections, for making one takes 30 ms.

        Raises:
            InputError: a file cannot be read, or the key is not the certificate's.
        """
        if self.client_key and not self.client_cert:
            raise InputError("--client-key goes with --client-cert: give the certificate of that key")
        context = httpx.create_ssl_context()
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            if self.ca:
                context.load_verify_locations(self.ca)
            if self.client_cert:
                # A password that is a function is never asked for at the terminal.
                context.load_cert_chain(self.client_cert, self.client_key, lambda: self.key_password)
        except (OSError, ssl.SSLError) as error:
            named = ", ".join(str(one) for one in (self.ca, self.client_cert, self.client_key) if one)
            raise InputError(f"the certificate files {named} cannot be used ({error})") from None
        return context


class Places:
    """Opens places; holds what they share: AWS sessions, the S3 client, the patience.

    Args:
        session: gives a fresh boto3 session, which reads the credentials anew.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        session: Callable[[], boto3.Session] = boto3.Session,
        retry: Retry | None = None,
        concurrency: int = 16,
    ) -> None:
        self._environ, self._session = environ, session
        self.retry = retry or Retry()
        self._concurrency = concurrency

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
        """The store of a folder or S3 prefix."""
        return open_store(uri, self.s3)

    def rooted(self, root: str | None) -> Callable[[str], Store]:
        """Opens artifact URIs of a database or file store.

        What its server served (mlflow-artifacts), or kept in a folder that is not here, lies at `root`.
        """

        def store(uri: str) -> Store:
            parts, folder = urlsplit(uri), local_path(uri)
            if root is not None and parts.scheme == "mlflow-artifacts":
                return self.store(f"{root.rstrip('/')}/{parts.path.strip('/')}")
            if root is not None and folder is not None and not artifact_top(folder).is_dir():
                return self.store(f"{root.rstrip('/')}/{folder.relative_to(artifact_top(folder)).as_posix()}")
            return self.store(uri)

        return store

    async def server(self, text: str, access: Access | None = None) -> RestSource:
        """A tracking server, by its ARN or URL.

        Raises:
            InputError: this is no server.
            PreconditionError: it does not answer, does not run, or refuses the credentials.
        """
        access = access or Access()
        if text.startswith("arn:"):
            return await self._amazon(text, access)
        if urlsplit(text).scheme in {"http", "https"}:
            return await self._plain(text, access)
        raise InputError(f"{text} is no tracking server: give an ARN or an http(s) URL")

    async def _plain(self, text: str, access: Access) -> RestSource:
        parts = urlsplit(text)
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
        except BaseException:
            await client.close()
            raise
        return self._rest(client, version, url, url, auth, access)

    async def _amazon(self, text: str, access: Access) -> RestSource:
        arn = ServerArn.parse(text)
        version, size = self._described(arn)
        url = self._environ.get(_ENDPOINT, "") or arn.url
        auth = SigV4(self._credentials, arn.region, arn.signing_name, arn.header, text)
        limit, burst = LIMITS.get(size, LIMITS["Small"])
        if access.limit is not None:
            limit, burst = access.limit, max(1, int(access.limit))
        client = self._client(arn.name, url.rstrip("/"), auth, access, Rate(limit, burst))
        return self._rest(client, version, text, url, auth, access)

    def _credentials(self) -> Any:
        found = self._session().get_credentials()
        if found is None:
            raise PreconditionError(
                "there are no AWS credentials: log in (`aws sso login`) or set AWS_PROFILE, then try again"
            )
        return found

    def _described(self, arn: ServerArn) -> tuple[str, str]:
        """The server's version and size; unknown where describing it is not allowed. Apps have no size."""
        what = "MLflow App" if arn.app else "tracking server"
        try:
            client: Any = self._session().client("sagemaker", region_name=arn.region)
            if arn.app:
                found = client.describe_mlflow_app(Arn=arn.text)
            else:
                found = client.describe_mlflow_tracking_server(TrackingServerName=arn.name)
        except ClientError as error:
            if error_code(error) in {"ResourceNotFound", "ResourceNotFoundException", "ValidationException"}:
                raise PreconditionError(f"there is no {what} {arn.name} in {arn.region}: see its ARN") from None
            return "", ""
        except BotoCoreError as error:
            raise PreconditionError(f"AWS cannot be asked for {arn.name}: {error}") from None
        status = found.get("Status" if arn.app else "TrackingServerStatus", "")
        if status not in _RUNNING:
            todo = "wait until it is there" if arn.app else "start it"
            raise PreconditionError(f"the {what} {arn.name} is {status}: {todo} and try again")
        return found.get("MlflowVersion", ""), found.get("TrackingServerSize", "")

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
        self, client: Client, version: str, identity: str, url: str, auth: httpx.Auth | None, access: Access
    ) -> RestSource:
        http = httpx.Client(base_url=url, auth=auth, verify=access.tls, timeout=300.0)

        def counted(call: str) -> None:
            client.calls.made[call] += 1
            client.calls.writes += call.startswith("PUT")
            # The server has one limit for all that it is asked.
            time.sleep(client.rate.take())

        def store(uri: str) -> Store:
            return open_store(uri, self.s3, lambda root: Proxy(http, root, counted, self.retry, client.rate.throttled))

        return RestSource(client, version, store, identity)


def is_server(text: str) -> bool:
    """Whether this names a tracking server."""
    return text.startswith("arn:") or urlsplit(text).scheme in {"http", "https"}


def is_database(text: str) -> bool:
    """Whether this is a database URL."""
    return urlsplit(text).scheme.partition("+")[0] in DATABASES


def is_archive(text: str) -> bool:
    """Whether this is, or may become, an archive: an S3 prefix or a folder that is no file store."""
    folder = local_path(text)
    return text.startswith("s3://") or (folder is not None and not is_file_store(folder))


def is_file_store(folder: Path) -> bool:
    """Whether a folder is one that MLflow keeps experiments in."""
    return (folder / ".trash").is_dir() or any(folder.glob("*/meta.yaml"))


def shown(text: str) -> str:
    """The place without a password."""
    parts = urlsplit(text)
    if "@" not in parts.netloc:
        return text
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
