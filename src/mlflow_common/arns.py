"""The ARNs of Amazon's MLflow servers, and where and how each is asked.

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
        """Read an ARN.

        Raises:
            InputError: it is none of a tracking server or an App.
        """
        found = _ARN.fullmatch(text)
        if found is None:
            raise InputError(f"{text} is no ARN of a tracking server or an MLflow App: such are {_SHAPES}")
        return cls(text, found["region"], found["account"], found["name"], found["kind"] == "mlflow-app")

    @property
    def url(self) -> str:
        """Where it is asked."""
        if self.app:
            return f"https://mlflow.sagemaker.{self.region}.app.aws"
        return f"https://{self.region}.experiments.sagemaker.aws"

    @property
    def header(self) -> str:
        """The header that tells the front which server is meant."""
        return "x-sm-mlflow-app-arn" if self.app else "x-mlflow-sm-tracking-server-arn"

    @property
    def signing_name(self) -> str:
        """The service that requests are signed for."""
        return "sagemaker" if self.app else "sagemaker-mlflow"
