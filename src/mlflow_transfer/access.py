"""Credentials and certificates for one server."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from mlflow_common.errors import InputError

_SECRETS = ("USERNAME", "PASSWORD", "TOKEN", "KEY_PASSWORD")


@dataclass(frozen=True)
class Access:
    """Credentials and certificates for one server.

    Args:
        username, password: for basic authentication.
        token: for bearer authentication.
        ca: a file with certificates to trust, in addition to the system's.
        client_cert, client_key: a client certificate and its key (PEM). Both may be in one file.
        key_password: the password of the encrypted key.
        insecure: accept any certificate.
        limit: requests per second, instead of the documented limit of the server's size.
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
        """Read the secrets from `TRANSFER_{side}_USERNAME`, `_PASSWORD`, `_TOKEN` and `_KEY_PASSWORD`."""
        secrets: dict[str, Any] = {one.lower(): environ.get(f"TRANSFER_{side}_{one}", "") for one in _SECRETS}
        return cls(**secrets, **given)

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The TLS context for httpx. All connections share one, because creating a context takes 30 ms.

        Raises:
            InputError: a file cannot be read, or the key does not belong to the certificate.
        """
        if self.client_key and not self.client_cert:
            raise InputError("--client-key requires --client-cert: give the certificate of that key")
        context = httpx.create_ssl_context()
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            if self.ca:
                context.load_verify_locations(self.ca)
            if self.client_cert:
                # With a function as the password, OpenSSL never prompts at the terminal.
                context.load_cert_chain(self.client_cert, self.client_key, lambda: self.key_password)
        except (OSError, ssl.SSLError) as error:
            named = ", ".join(str(one) for one in (self.ca, self.client_cert, self.client_key) if one)
            raise InputError(f"the certificate files {named} cannot be used ({error})") from None
        return context
