"""Opens an environment: its outputs, and an AWS session in its account and region."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from mlflow_platform import outputs
from mlflow_platform.account import check_account
from mlflow_platform.environment import STATE

if TYPE_CHECKING:
    from boto3 import Session

    from mlflow_platform.environment import Environment


_LOG = logging.getLogger(__name__)


def open_environment(name: str, *, local: bool) -> tuple[Environment, Session]:
    """Return an environment and an AWS session in its region, after checking the credentials' account.

    Raises:
        PlatformError: see `outputs.load` and `account.check_account`.
    """
    environment = outputs.load(name, local=local, environ=os.environ)
    if environment.source != STATE:
        _LOG.debug("the outputs of %s were read from %s", name, environment.source)
    import boto3

    # The AWS SDK retries throttled and failed calls; every script uses the same policy.
    os.environ.setdefault("AWS_RETRY_MODE", "standard")
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "5")
    session = boto3.Session(region_name=environment.region)
    # MLflow creates its own S3 clients from boto3's default session. Make it this one.
    boto3.DEFAULT_SESSION = session
    check_account(environment.ref, environment.account, session.client("sts"))
    return environment, session
