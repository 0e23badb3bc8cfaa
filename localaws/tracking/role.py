"""A tracking server's role: how SageMaker takes it up, and AWS clients that sign as it."""

import threading
from typing import Any

from botocore.config import Config

from localaws.clients import client
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
CONFIG = Config(
    retries={"total_max_attempts": 1}, read_timeout=10, signature_version="v4", s3={"addressing_style": "path"}
)


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
                self._clients[key] = client(service, server.credentials, server.region, self._settings.url, CONFIG)
            return self._clients[key]
