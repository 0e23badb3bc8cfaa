"""Opens an environment: its outputs, and an AWS session in its account and region."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from mlflow_platform import environment as environments

if TYPE_CHECKING:
    from boto3 import Session

    from mlflow_platform.environment import Environment


_LOG = logging.getLogger(__name__)


def open_environment(name: str, *, local: bool) -> tuple[Environment, Session]:
    """An environment and an AWS session in its region; the credentials are known to belong to its account.

    Raises:
        PlatformError: see `environment.load` and `environment.check_account`.
    """
    environment = environments.load(name, local=local, environ=os.environ)
    if environment.source != environments.STATE:
        _LOG.debug("%s's outputs are read from %s", name, environment.source)
    import boto3

    # Throttled calls are tried again for some ten seconds before they are given up.
    os.environ.setdefault("AWS_RETRY_MODE", "standard")
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "5")
    session = boto3.Session(region_name=environment.region)
    # MLflow makes S3 clients of its own, from boto3's default session: let it be this one.
    boto3.DEFAULT_SESSION = session
    environments.check_account(environment, session.client("sts"))
    return environment, session
