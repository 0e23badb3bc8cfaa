"""AWS clients that call localaws itself as an endpoint's execution role, so that the call log shows what it does."""

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from localaws.principals import Credentials

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client


class RoleClients:
    """The clients of one role session."""

    def __init__(self, credentials: Credentials, url: str, region: str) -> None:
        session = boto3.Session(
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
            region_name=region,
        )
        config = Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"total_max_attempts": 2},
            s3={"addressing_style": "path"},  # Host-style bucket names need DNS.
        )
        self.s3: S3Client = session.client("s3", endpoint_url=url, config=config)
        self.logs: CloudWatchLogsClient = session.client("logs", endpoint_url=url, config=config)
        self.ecr: ECRClient = session.client("ecr", endpoint_url=url, config=config)
