"""Pushes a model version to SageMaker's model registry as a package that an endpoint can serve.

The tracking server's own registration makes packages without an inference specification, which nothing can deploy. So
these are in a group of their own, `PROJECT-ENVIRONMENT-MODEL`, with an archive that no endpoint owns.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from mlflow_common.errors import PreconditionError
from mlflow_common.waiting import Progress
from mlflow_platform.endpoints import model_archive, package, specification
from mlflow_platform.endpoints.creation import as_list, ensure
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.specification import CONTAINER_ENVIRONMENT
from mlflow_platform.endpoints.state import ServedModel, is_missing, read_tags

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment

_TOKEN_LENGTH = 36
# What MLflow's scoring server reads and writes.
_CONTENT_TYPES, _ANSWERS = ["application/json", "text/csv"], ["application/json"]


@dataclass(frozen=True)
class Pushed:
    """A package in SageMaker's registry. `change` is created, approval changed, or none."""

    arn: str
    approval: str
    change: str


@dataclass(frozen=True)
class Wish:
    """What a package should say: its image, its approval (None: leave it), and the URI of the evidence, if any."""

    image: str
    approval: str | None
    evidence: str | None


def group_name(environment: Environment, model: str) -> str:
    """The name of a registered model's package group.

    Raises:
        InputError: the name has no usable characters, or is too long.
    """
    return specification.default_name(environment, model, model)


def push(
    sagemaker: SageMakerClient, s3: S3Client, environment: Environment, model: Model, wish: Wish, progress: Progress
) -> Pushed:
    """Create the package of a model version, unless there is one; then set its approval. Idempotent.

    Raises:
        PreconditionError: the package group belongs to another environment.
    """
    group = group_name(environment, model.name or "")
    tags = specification.tags(environment, model)
    with TemporaryDirectory() as folder:
        packed = model_archive.make(s3, model.location, Path(folder))
        archive = f"{environment.artifact_store}/packages/{group}/{packed.digest[:16]}/model.tar.gz"
        model_archive.upload(s3, packed, archive, {})
    _ensure_group(sagemaker, environment, group)
    found = _find(sagemaker, group, model, archive, wish.image)
    if found:
        return _approved(sagemaker, found, wish)
    approval: Any = wish.approval or package.PENDING
    progress(f"creating a model package in {group} ({approval})")
    request = _request(group, archive, wish, package.metadata(tags))
    token = hashlib.sha256(repr((request, approval)).encode()).hexdigest()[:_TOKEN_LENGTH]
    try:
        # AWS answers a repeated token with the first call's package, so the SDK's retries leave no second one.
        made = sagemaker.create_model_package(**request, ModelApprovalStatus=approval, ClientToken=token)
    except (ClientError, BotoCoreError):
        # AWS may have created it although its answer was lost.
        made = _find(sagemaker, group, model, archive, wish.image)
        if made is None:
            raise
    return Pushed(made["ModelPackageArn"], approval, "created")


def existing(sagemaker: SageMakerClient, environment: Environment, model: Model) -> str | None:
    """The ARN of the newest package of a model version, whatever its image; None if there is none."""
    group = group_name(environment, model.name or "")
    return next((found["ModelPackageArn"] for found in _packages(sagemaker, group) if _is_of(found, model)), None)


def _request(group: str, archive: str, wish: Wish, metadata: dict[str, str]) -> Any:
    request: dict[str, Any] = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": f"MLflow model {metadata['model-uri']}",
        "InferenceSpecification": {
            "Containers": [
                {"Image": wish.image, "ModelDataUrl": archive, "Environment": dict(CONTAINER_ENVIRONMENT)},
            ],
            "SupportedContentTypes": _CONTENT_TYPES,
            "SupportedResponseMIMETypes": _ANSWERS,
        },
        "CustomerMetadataProperties": metadata,
    }
    if wish.evidence:
        quality = {"Statistics": {"ContentType": "application/json", "S3Uri": wish.evidence}}
        request["ModelMetrics"] = {"ModelQuality": quality}
    return request


def _ensure_group(sagemaker: SageMakerClient, environment: Environment, group: str) -> None:
    created = ensure(
        lambda: sagemaker.describe_model_package_group(ModelPackageGroupName=group),
        lambda: sagemaker.create_model_package_group(
            ModelPackageGroupName=group,
            ModelPackageGroupDescription=f"Promoted models of {environment.name}",
            Tags=as_list(environment.tags),
        ),
    )
    if created:
        return
    arn = sagemaker.describe_model_package_group(ModelPackageGroupName=group)["ModelPackageGroupArn"]
    tags = read_tags(sagemaker, arn)
    if any(tags.get(key) != value for key, value in environment.tags.items()):
        raise PreconditionError(
            f"the model package group {group} does not belong to {environment.name} (see its tags project and "
            "environment). Register the model under another name, or add --no-package."
        )


def _find(sagemaker: SageMakerClient, group: str, model: Model, archive: str, image: str) -> Any:
    """The package of a model version with this archive and image; None if there is none."""
    for found in _packages(sagemaker, group):
        containers = found.get("InferenceSpecification", {}).get("Containers", [])
        pairs = [(container.get("Image"), container.get("ModelDataUrl")) for container in containers]
        if _is_of(found, model) and pairs == [(image, archive)]:
            return found
    return None


def _packages(sagemaker: SageMakerClient, group: str) -> Any:
    """The packages of a group, the newest first; none if the group does not exist."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending"
    )
    try:
        for page in pages:
            for item in page["ModelPackageSummaryList"]:
                yield sagemaker.describe_model_package(ModelPackageName=item["ModelPackageArn"])
    except ClientError as error:
        if not is_missing(error):
            raise


def _is_of(found: Any, model: Model) -> bool:
    return bool(ServedModel.from_tags(found.get("CustomerMetadataProperties", {})).uri == model.uri)


def _approved(sagemaker: SageMakerClient, found: Any, wish: Wish) -> Pushed:
    arn, approval = found["ModelPackageArn"], found.get("ModelApprovalStatus", package.PENDING)
    if wish.approval is None or wish.approval == approval:
        return Pushed(arn, approval, "none")
    package.set_approval(sagemaker, arn, wish.approval, "Set by promote.py")
    return Pushed(arn, wish.approval, "approval changed")
