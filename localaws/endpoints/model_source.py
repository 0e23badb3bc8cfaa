"""Where the files of a container's model are: its ModelDataUrl, its ModelDataSource, or those of its model package.

Sources: ContainerDefinition, S3ModelDataSource and ModelPackage in the API's model, and
https://docs.aws.amazon.com/sagemaker/latest/dg/large-model-inference-uncompressed.html
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from localaws.endpoints import model_data
from localaws.endpoints.model_data import MOST_BYTES, split_s3_url
from localaws.endpoints.reasons import download_failed
from localaws.endpoints.records import refusal
from mlflow_common.safe_path import UnsafeNameError, below

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class ModelSource:
    """The S3 location of a model.

    Attributes:
        uri: an object or, for S3Prefix, a prefix that ends with "/"; empty if the container has no model data.
        archive: whether it is a tar.gz archive.
        prefix: whether all objects below `uri` are the model.
    """

    uri: str
    archive: bool = True
    prefix: bool = False

    @classmethod
    def of(cls, container: dict[str, Any]) -> Self:
        """Read a ContainerDefinition or a ModelPackageContainerDefinition.

        Raises:
            AwsError: ValidationException.
        """
        source = (container.get("ModelDataSource") or {}).get("S3DataSource")
        url = container.get("ModelDataUrl") or ""
        if source is None:
            return cls(url)
        if url and url != source["S3Uri"]:
            raise refusal("A container has either ModelDataUrl or ModelDataSource.")
        uri, prefix, archive = source["S3Uri"], source["S3DataType"] == "S3Prefix", source["CompressionType"] == "Gzip"
        if prefix and archive:
            raise refusal("CompressionType Gzip requires S3DataType S3Object.")
        if prefix and not uri.endswith("/"):
            raise refusal(f"S3Uri {uri} of S3DataType S3Prefix must end with a slash.")
        if not prefix and uri.endswith("/"):
            raise refusal(f"S3Uri {uri} of S3DataType S3Object must not end with a slash.")
        return cls(uri, archive, prefix)

    def exists(self, account: str) -> bool:
        """Whether the object, or an object below the prefix, is there."""
        from moto.s3.models import s3_backends

        name, key = split_s3_url(self.uri)
        bucket = s3_backends[account]["aws"].buckets.get(name)
        if bucket is None:
            return False
        return any(one.startswith(key) for one in bucket.keys) if self.prefix else key in bucket.keys

    def fetch(self, s3: "S3Client", folder: Path) -> None:
        """Download the model into `folder`.

        Raises:
            DeploymentError: it cannot be downloaded or unpacked.
        """
        if self.archive:
            model_data.fetch(self.uri, s3, folder)
            return
        bucket, start = split_s3_url(self.uri)
        folder.mkdir(parents=True)
        try:
            self._download(s3, bucket, start, folder)
        except (BotoCoreError, ClientError, OSError, UnsafeNameError) as error:
            raise download_failed(self.uri) from error

    def _download(self, s3: "S3Client", bucket: str, start: str, folder: Path) -> None:
        if not self.prefix:
            s3.download_file(bucket, start, str(below(folder, start.rsplit("/", 1)[-1])))
            return
        left, found = MOST_BYTES, False
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start):
            for item in page.get("Contents", []):
                relative = item["Key"].removeprefix(start)
                left -= item["Size"]
                if left < 0:
                    raise download_failed(self.uri)
                if not relative or relative.endswith("/"):
                    continue
                target = below(folder, relative)
                target.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, item["Key"], str(target))
                found = True
        if not found:
            raise download_failed(self.uri)


def resolved(account: str, region: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the only container of a model, with the image, model data and environment of its model package.

    Args:
        given: PrimaryContainer and Containers, as CreateModel receives them.

    Raises:
        AwsError: ValidationException.
        NotImplementedError: the model has several containers.
    """
    containers: list[dict[str, Any]] = given.get("Containers") or [given.get("PrimaryContainer") or {}]
    if len(containers) > 1:
        raise NotImplementedError("models with several containers")
    container = containers[0]
    if container.get("ModelPackageName"):
        return _packaged(account, region, container)
    if not container.get("Image"):
        raise refusal("Must provide a primary container with an Image.")
    return container


def _packaged(account: str, region: str, container: dict[str, Any]) -> dict[str, Any]:
    from moto.sagemaker.models import sagemaker_backends

    name = container["ModelPackageName"]
    both = [member for member in ("Image", "ModelDataUrl", "ModelDataSource") if container.get(member)]
    if both:
        raise refusal(f"A container with a ModelPackageName has no {', '.join(both)}.")
    backend = sagemaker_backends[account][region]
    arn = name if name.startswith("arn:") else f"arn:aws:sagemaker:{region}:{account}:model-package/{name}"
    package = backend.model_packages.get(backend.model_package_name_mapping.get(name, arn))
    if package is None:
        raise refusal(f"Model package {arn} does not exist.")
    # "You can deploy only approved versions": model-registry-deploy. Packages without a group need no approval.
    status = package.model_approval_status
    if status and status != "Approved":
        raise refusal(f"Model package {arn} has the approval status {status}. Approve it first.")
    specification = package.inference_specification or {}
    (found, *others) = specification.get("Containers") or [None]
    if found is None:
        raise refusal(f"Model package {arn} has no InferenceSpecification with a container.")
    if others:
        raise NotImplementedError("model packages with several containers")
    environment = {**(found.get("Environment") or {}), **(container.get("Environment") or {})}
    return {**found, "Environment": environment}
