"""The files and the signature of the model that an endpoint serves.

Read from the archive that the endpoint serves and not from the registry: since the deployment an alias may have moved,
or a run may have been deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, error_code
from mlflow_common.unpacking import UNREADABLE, TooLargeError, opened
from mlflow_platform.endpoints.model_archive import MLMODEL, MOST_FILES, most_unpacked, split_uri
from mlflow_platform.validation.signature import Signature, from_mlmodel

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}
# An MLmodel file takes a few kilobytes; with an input example and a wide signature some hundred.
_LARGEST_MLMODEL = 8 << 20


@dataclass(frozen=True)
class ServedArtifact:
    """A model's files behind an endpoint. `location` is the S3 URI of an archive, or of a folder if it ends with `/`.

    `mlmodel` is the text of the MLmodel file.
    """

    location: str
    mlmodel: str

    @property
    def signature(self) -> Signature:
        """The model's signature.

        Raises:
            InputError: its MLmodel file is damaged.
        """
        return from_mlmodel(self.mlmodel, f"{self.location}")


def find(sagemaker: SageMakerClient, s3: S3Client, config: str) -> ServedArtifact | None:
    """The MLflow model that an endpoint configuration serves; None where it serves something else.

    Of several variants it is the first one's.
    """
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    name = variants[0].get("ModelName") if variants else None
    if not name:
        return None
    return of_model(s3, sagemaker.describe_model(ModelName=name))


def of_model(s3: S3Client, described: Mapping[str, Any]) -> ServedArtifact | None:
    """The MLflow model of a SageMaker model, as DescribeModel answers; None where it is something else."""
    container: Any = described.get("PrimaryContainer", {})
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    location = container.get("ModelDataUrl") or source.get("S3Uri") or ""
    if not location.startswith("s3://"):
        return None
    text = _from_folder(s3, location) if location.endswith("/") else _from_archive(s3, location)
    return ServedArtifact(location, text) if text is not None else None


def _from_folder(s3: S3Client, location: str) -> str | None:
    found = _open(s3, f"{location}{MLMODEL}")
    return None if found is None else found["Body"].read(_LARGEST_MLMODEL).decode(errors="replace")


def _from_archive(s3: S3Client, location: str) -> str | None:
    """The MLmodel file at the top of a tar.gz, which is read only up to there."""
    found = _open(s3, location)
    if found is None:
        return None
    content, most = found["Body"], most_unpacked(found["ContentLength"])
    try:
        with opened(content, most) as tar:
            for number, entry in enumerate(tar):
                if number >= MOST_FILES:
                    raise TooLargeError
                if entry.isfile() and entry.name.removeprefix("./") == MLMODEL:
                    file = tar.extractfile(entry)
                    return file.read(_LARGEST_MLMODEL).decode(errors="replace") if file else None
    except TooLargeError:
        raise InputError(
            f"the archive {location} has no {MLMODEL} within its first {MOST_FILES:,} files and "
            f"{most / (1 << 30):.1f} GB. Deploy the model again."
        ) from None
    except UNREADABLE:
        return None
    finally:
        content.close()
    return None


def _open(s3: S3Client, uri: str) -> Any:
    bucket, key = split_uri(uri)
    try:
        return s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError as error:
        if error_code(error) in _MISSING:
            return None
        raise
