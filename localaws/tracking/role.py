"""A tracking server's role: how SageMaker takes it up, and AWS clients that sign as it."""

import os
import threading
from typing import Any

import botocore.session
from botocore.config import Config

from localaws.iam.trust import Service
from localaws.settings import Settings
from localaws.tracking.server import TrackingServer

# The words in which SageMaker refuses a role for whatever works under one at once.
# Source: https://github.com/awslabs/predictive-maintenance-using-machine-learning/issues/3
SAGEMAKER = Service(
    "sagemaker.amazonaws.com",
    "ValidationException",
    "Could not assume role {role}. Please ensure that the role exists and allows principal 'sagemaker.amazonaws.com' "
    "to assume the role.",
)

# Nothing of the person's own AWS settings may leak in: a profile, a role to assume, another endpoint.
ISOLATED = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class RoleClients:
    """botocore clients, one for each server and service; they call localaws itself, so that its call log shows them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, server: TrackingServer, service: str) -> Any:
        """A client with the credentials of the server's present process."""
        key = (server.credentials.access_key, service)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._create(server, service)
            return self._clients[key]

    def _create(self, server: TrackingServer, service: str) -> Any:
        return botocore.session.Session(session_vars=ISOLATED).create_client(
            service,
            region_name=server.region,
            endpoint_url=self._settings.url,
            aws_access_key_id=server.credentials.access_key,
            aws_secret_access_key=server.credentials.secret,
            aws_session_token=server.credentials.token,
            config=Config(
                retries={"total_max_attempts": 1},
                read_timeout=10,
                signature_version="v4",
                s3={"addressing_style": "path"},
            ),
        )
