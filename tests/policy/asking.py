"""The terms of the expectations: resources, request contexts, and the two kinds of rows."""

from dataclasses import dataclass

from tests.policy.judging import Ask
from tests.terraform.variations import FORMER_KEY as FORMER_KEY

OTHER_ACCOUNT = "210987654321"
OBJECT = "arn:aws:s3:::{bucket}/1/{id}/artifacts/file"
BUCKET = "arn:aws:s3:::{bucket}"
OTHER_BUCKET = "arn:aws:s3:::{bucket}-other"
SAGEMAKER_SERVICE = "sagemaker.amazonaws.com"
SAGEMAKER = "arn:aws:sagemaker:{region}:{account}"
SERVER = SAGEMAKER + ":mlflow-tracking-server/{server}"
OTHER_SERVER = SAGEMAKER + ":mlflow-tracking-server/other"
ARCHIVE = "arn:aws:s3:::{bucket}/backups/{server}/"
TOOL = "arn:aws:s3:::{bucket}/backups/tool/tool.json.gz"
REPOSITORIES = "arn:aws:ecr:{region}:{account}:repository"
LOGS = "arn:aws:logs:{region}:{account}:log-group:"
ALARMS = "arn:aws:cloudwatch:{region}:{account}:alarm"
ROLES = "arn:aws:iam::{account}:role"
KEY = "{key}"
OTHER_KEY = "arn:aws:kms:{region}:{account}:key/99999999-8888-7777-6666-555555555555"
THROUGH_S3: dict[str, str | None] = {
    "kms:ViaService": "s3.{region}.amazonaws.com",
    "kms:CallerAccount": "{account}",
    "kms:EncryptionContext:aws:s3:arn": BUCKET,
}
FOR_ANOTHER_BUCKET = THROUGH_S3 | {"kms:EncryptionContext:aws:s3:arn": OTHER_BUCKET}
DIRECTLY: dict[str, str | None] = {"kms:CallerAccount": "{account}"}
NO_TLS: dict[str, str | None] = {"aws:SecureTransport": "false", "s3:TlsVersion": None}
OLD_TLS: dict[str, str | None] = {"s3:TlsVersion": "1.1"}
ENCRYPTION = "s3:x-amz-server-side-encryption"
KEY_OF_REQUEST = "s3:x-amz-server-side-encryption-aws-kms-key-id"
TO_SAGEMAKER: dict[str, str | None] = {"iam:PassedToService": "sagemaker.amazonaws.com"}


@dataclass(frozen=True)
class Documented:
    """What a subject must be able to do although the recorded calls do not need it, and the source of that need."""

    subject: str
    source: str
    asks: tuple[Ask, ...]
    with_key: bool = False
    with_key_policy: bool = False


@dataclass(frozen=True)
class Denied:
    """What a subject must not be able to do."""

    title: str
    subject: str
    asks: tuple[Ask, ...]
    with_key: bool = False
    with_key_policy: bool = False


def on(resource: str, *actions: str) -> tuple[Ask, ...]:
    """Several actions on one resource."""
    return tuple(Ask(action, resource) for action in actions)
