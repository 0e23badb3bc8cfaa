"""https servers with private certificates, which may require a client certificate."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_common.retry import Retry
from mlflow_transfer.access import Access
from mlflow_transfer.connections import ConnectionFactory
from tests.transfer.certificates import PASSWORD, Certificates, make
from tests.transfer.conftest import Servers
from tests.transfer.moving import places
from tests.transfer.proxying import FaultyProxy

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make(tmp_path_factory.mktemp("certificates"))


def names(url: str, access: Access) -> set[str]:
    """The experiments of a server."""

    async def go() -> set[str]:
        source = await places().server(url, access)
        try:
            return {experiment.name async for experiment in source.experiments()}
        finally:
            await source.close()

    return asyncio.run(go())


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sends_a_required_client_certificate(servers: Servers, pem: Certificates, newest: ssl.TLSVersion) -> None:
    with FaultyProxy(servers.new.port, tls=pem.context(newest=newest)) as proxy:
        for shown in (
            Access(ca=pem.ca, client_cert=pem.client_cert, client_key=pem.client_key),
            Access(ca=pem.ca, client_cert=pem.both),
            Access(ca=pem.ca, client_cert=pem.client_cert, client_key=pem.locked, key_password=PASSWORD),
            Access(insecure=True, client_cert=pem.both),
        ):
            assert "Default" in names(proxy.url, shown)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("missing", ["client certificate", "authority"])
def test_fails_immediately_with_the_reason_if_certificates_are_wrong(
    servers: Servers, pem: Certificates, newest: ssl.TLSVersion, missing: str
) -> None:
    access = Access(ca=pem.ca) if missing == "client certificate" else Access(client_cert=pem.both)
    with FaultyProxy(servers.new.port, tls=pem.context(newest=newest)) as proxy:
        start = time.monotonic()
        with pytest.raises(
            PreconditionError, match=r"TLS cannot be negotiated \(.*\): see --ca, --client-cert, --insec"
        ) as refused:
            names(proxy.url, access)
        assert time.monotonic() - start < 30
    why = "alert" if missing == "client certificate" else "self-signed certificate in certificate chain"
    assert why in refused.value.message


def test_ca_certificates_are_added_to_those_of_the_system(pem: Certificates) -> None:
    context = Access(ca=pem.ca).tls
    assert isinstance(context, ssl.SSLContext)
    assert context.cert_store_stats()["x509_ca"] == httpx.create_ssl_context().cert_store_stats()["x509_ca"] + 1


def test_names_unusable_certificate_files(pem: Certificates, tmp_path: Path) -> None:
    for given, complaint in (
        (Access(ca=tmp_path / "none.pem"), r"none\.pem cannot be used"),
        (Access(client_cert=pem.client_cert), r"client-cert\.pem cannot be used"),
        (Access(client_cert=pem.client_cert, client_key=pem.server), r"server\.pem cannot be used .*MISMATCH"),
        (Access(client_cert=pem.client_cert, client_key=pem.locked), r"client-locked\.pem cannot be used"),
        (Access(client_key=pem.client_key), "--client-key requires --client-cert"),
    ):
        with pytest.raises(InputError, match=complaint):
            _ = given.tls


def test_artifact_requests_use_the_certificates_too(servers: Servers, pem: Certificates) -> None:
    impatient = ConnectionFactory(os.environ, retry=Retry(patience=0.2, attempts=2, longest=0.1))

    async def go() -> None:
        source = await impatient.server(proxy.url, Access(ca=pem.ca, client_cert=pem.both))
        # This server serves no artifacts. Its error response shows that the TLS connection worked.
        with pytest.raises(PlatformError, match=r"cannot be listed \(\d{3}: "):
            list(source.store("mlflow-artifacts:/").list())
        await source.close()

    with FaultyProxy(servers.new.port, tls=pem.context()) as proxy:
        asyncio.run(go())


def test_the_command_line_accepts_certificates(servers: Servers, pem: Certificates) -> None:
    environ = {**os.environ, "TRANSFER_SOURCE_KEY_PASSWORD": PASSWORD}
    with FaultyProxy(servers.new.port, tls=pem.context()) as proxy:
        shown = ["--ca", pem.ca, "--client-cert", pem.client_cert, "--client-key", pem.locked]
        done = subprocess.run(
            [sys.executable, "scripts/transfer.py", "inspect", proxy.url, "--json", *shown],
            cwd=REPOSITORY, env=environ, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["holds"]["experiments"] >= 4
