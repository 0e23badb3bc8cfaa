"""An endpoint's execution role: how SageMaker takes it up, and AWS clients that call localaws itself as that role."""

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from localaws.iam.trust import Service
from localaws.principals import Credentials

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

# CreateModel's error, and the FailureReason of an endpoint whose role was changed since.
# Sources: https://github.com/bentoml/BentoML/issues/892,
# https://github.com/hashicorp/terraform-provider-aws (internal/service/sagemaker/endpoint.go)
HOSTING = Service(
    "sagemaker.amazonaws.com",
    "ValidationException",
    'The execution role ARN "{role}" is invalid. Please ensure that the role exists and that its trust relationship '
    'policy allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com".',
)


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
