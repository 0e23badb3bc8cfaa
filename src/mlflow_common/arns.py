"""Parses ARNs. For those of managed MLflow servers, also how requests to each are sent and signed.

Sources: sagemaker_mlflow 0.5.0 (mlflow_sagemaker_helpers, auth_provider), botocore's patterns of the ARNs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlflow_common.errors import InputError

_ARN = re.compile(
    r"arn:(?P<partition>aws|aws-us-gov):sagemaker:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):"
    r"(?P<kind>mlflow-tracking-server|mlflow-app)/(?P<name>[A-Za-z0-9](-*[A-Za-z0-9])*)"
)
_SHAPES = (
    "arn:aws:sagemaker:REGION:ACCOUNT:mlflow-tracking-server/NAME or arn:aws:sagemaker:REGION:ACCOUNT:mlflow-app/APP"
)


@dataclass(frozen=True)
class ServerArn:
    """A tracking server's or an App's ARN.

    Args:
        app: whether it is an App.
    """

    text: str
    region: str
    account: str
    name: str
    app: bool

    @classmethod
    def parse(cls, text: str) -> ServerArn:
        """Parse an ARN.

        Raises:
            InputError: it is not the ARN of a tracking server or an App.
        """
        found = _ARN.fullmatch(text)
        if found is None:
            raise InputError(f"{text} is not the ARN of a tracking server or an MLflow App. Use {_SHAPES}.")
        return cls(text, found["region"], found["account"], found["name"], found["kind"] == "mlflow-app")

    @property
    def url(self) -> str:
        """The URL that requests are sent to."""
        if self.app:
            return f"https://mlflow.sagemaker.{self.region}.app.aws"
        return f"https://{self.region}.experiments.sagemaker.aws"

    @property
    def header(self) -> str:
        """The header that names the server in a request."""
        return "x-sm-mlflow-app-arn" if self.app else "x-mlflow-sm-tracking-server-arn"

    @property
    def signing_name(self) -> str:
        """The service name in the signature of requests."""
        return "sagemaker" if self.app else "sagemaker-mlflow"


def account_of(arn: str) -> str:
    """The account, 12 digits, of any resource's ARN. It is empty where the service has none, as for S3.

    The form is `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html

    Raises:
        InputError: it is not an ARN.
    """
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        raise InputError(f"{arn} is not an ARN. Use arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE.")
    return parts[4]
