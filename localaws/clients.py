"""AWS clients that call localaws as a role, so that the call log shows what a service does with that role."""

import os
import threading
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from localaws.credentials import Credentials

# Ignores the user's own AWS settings, such as a profile, a role to assume or another endpoint.
ISOLATED = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
_lock = threading.Lock()


def client(service: str, credentials: Credentials, region: str, url: str, config: Config) -> Any:
    """A client that signs with `credentials`.

    One session creates all clients, because loading a service's model takes a quarter of a second. Clients are
    thread-safe, sessions are not.
    """
    with _lock:
        return _session().client(  # type: ignore[call-overload]
            service,
            region_name=region,
            endpoint_url=url,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
            config=config,
        )


@cache
def _session() -> boto3.Session:
    return boto3.Session(botocore_session=botocore.session.Session(session_vars=ISOLATED))
