"""A tracking server's role: how SageMaker assumes it, and AWS clients that sign with its credentials."""

import threading
from typing import Any

from botocore.config import Config

from localaws.clients import client
from localaws.iam.trust import Service
from localaws.settings import Settings
from localaws.tracking.hosted import HostedMlflow

# SageMaker's error for a role that it cannot assume, for resources that use the role immediately.
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
    """botocore clients, one for each server and service. They call localaws, so that its call log has the calls."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, server: HostedMlflow, service: str) -> Any:
        """Return a client with the credentials of the server's current process."""
        key = (server.credentials.access_key, service)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = client(service, server.credentials, server.region, self._settings.url, CONFIG)
            return self._clients[key]
