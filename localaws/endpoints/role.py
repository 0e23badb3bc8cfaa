"""An endpoint's execution role: how SageMaker assumes it, and AWS clients that call localaws with it."""

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from localaws.clients import client
from localaws.credentials import Credentials
from localaws.iam.trust import Service

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

# The error of CreateModel, and the FailureReason if the role was changed after CreateModel.
# Sources: https://github.com/bentoml/BentoML/issues/892,
# https://github.com/hashicorp/terraform-provider-aws (internal/service/sagemaker/endpoint.go)
HOSTING = Service(
    "sagemaker.amazonaws.com",
    "ValidationException",
    'The execution role ARN "{role}" is invalid. Please ensure that the role exists and that its trust relationship '
    'policy allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com".',
)


CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"total_max_attempts": 2},
    s3={"addressing_style": "path"},  # Virtual-hosted-style addresses need DNS.
)
# A function runs for up to 15 minutes, and a repeated call would run it twice:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html
FUNCTIONS = CONFIG.merge(Config(read_timeout=920, retries={"total_max_attempts": 1}))


class RoleClients:
    """The clients of one role session."""

    def __init__(self, credentials: Credentials, url: str, region: str) -> None:
        self.credentials = credentials
        self._make = partial(client, credentials=credentials, region=region, url=url, config=CONFIG)

    @cached_property
    def s3(self) -> "S3Client":
        """The client that downloads the model's archive."""
        made: S3Client = self._make("s3")
        return made

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """The client that writes the container's output."""
        made: CloudWatchLogsClient = self._make("logs")
        return made

    @cached_property
    def ecr(self) -> "ECRClient":
        """The client that makes the calls of an image pull."""
        made: ECRClient = self._make("ecr")
        return made

    @cached_property
    def sns(self) -> Any:
        """The client that publishes the results of asynchronous invocations."""
        return self._make("sns")

    @cached_property
    def cloudwatch(self) -> Any:
        """The client that describes the alarms of a deployment."""
        return self._make("cloudwatch")

    @cached_property
    def sagemaker(self) -> Any:
        """The client that creates the resources of a pipeline's steps."""
        return self._make("sagemaker")

    @cached_property
    def sqs(self) -> Any:
        """The client that sends the messages of a pipeline's callback steps."""
        return self._make("sqs")

    @cached_property
    def functions(self) -> Any:
        """The client that invokes the functions of a pipeline's Lambda steps."""
        return self._make("lambda", config=FUNCTIONS)
