"""SageMaker model packages, the versions of SageMaker's model registry: what one holds and whether it is approved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PreconditionError, error_code
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.state import ServedModel, is_missing

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment

APPROVED, REJECTED, PENDING = "Approved", "Rejected", "PendingManualApproval"
# botocore's pattern of a versioned package's ARN (SageMaker API, VersionedArnOrName).
_ARN = re.compile(
    r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]+):([0-9]{12}):model-package/([a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62})/([0-9]{1,5})"
)


@dataclass(frozen=True)
class ModelPackage:
    """A model package.

    Attributes:
        approval: Approved, Rejected or PendingManualApproval.
        image, archive_uri: of its only container. The archive may be missing.
        served: the MLflow model that its metadata names.
    """

    arn: str
    approval: str
    image: str
    archive_uri: str | None
    served: ServedModel

    @property
    def model(self) -> Model:
        """The MLflow model; without metadata, the package itself."""
        served = self.served
        uri = served.uri or self.arn
        return Model(uri, self.archive_uri or "", served.name, served.version, served.run_id)


def is_package(uri: str) -> bool:
    """Whether a text looks like the ARN of a model package."""
    return uri.startswith("arn:") and ":model-package/" in uri


def check_arn(arn: str) -> None:
    """Check the form of an ARN.

    Raises:
        InputError: it is not the ARN of a version in a package group.
    """
    if not _ARN.fullmatch(arn):
        raise InputError(
            f"{arn!r} is not the ARN of a model package. "
            "Use arn:aws:sagemaker:REGION:ACCOUNT:model-package/GROUP/VERSION."
        )


def describe(sagemaker: SageMakerClient, environment: Environment, arn: str) -> ModelPackage:
    """Describe a model package that an environment's endpoint can serve.

    Raises:
        InputError: there is no such package, or it is in another region.
        PreconditionError: it is not complete, or it cannot be served by one container.
    """
    from botocore.exceptions import ClientError

    check_arn(arn)
    match = _ARN.fullmatch(arn)
    if match and match[1] != environment.region:
        raise InputError(f"{arn} is in {match[1]}, and {environment.name} is in {environment.region}. Choose another.")
    try:
        found: Any = sagemaker.describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        # AWS answers an unknown ARN with a ValidationException.
        if is_missing(error) or error_code(error) in {"ValidationException", "ValidationError"}:
            raise InputError(
                f"there is no model package {arn}. List them with `aws sagemaker list-model-packages`."
            ) from None
        raise
    if found.get("ModelPackageStatus", "Completed") != "Completed":
        raise PreconditionError(f"{arn} is {found['ModelPackageStatus']}. Only a completed package can be deployed.")
    containers = found.get("InferenceSpecification", {}).get("Containers", [])
    if len(containers) != 1:
        raise PreconditionError(
            f"{arn} has {len(containers)} containers in its inference specification, and one is needed. "
            "Push the model with promote.py."
        )
    return ModelPackage(
        arn=arn,
        approval=found.get("ModelApprovalStatus", PENDING),
        image=containers[0].get("Image", ""),
        archive_uri=containers[0].get("ModelDataUrl"),
        served=ServedModel.from_tags(found.get("CustomerMetadataProperties", {})),
    )


def require_approved(package: ModelPackage, *, approve: bool) -> None:
    """Check that a package may be deployed. AWS refuses packages that are not approved.

    Source: docs.aws.amazon.com/sagemaker/latest/dg/model-registry-approve.html

    Raises:
        PreconditionError: it is rejected, or waits for its approval and `approve` is not set.
    """
    if package.approval == APPROVED or (approve and package.approval == PENDING):
        return
    if package.approval == REJECTED:
        raise PreconditionError(f"{package.arn} is rejected. Approve it in the model registry, or deploy another one.")
    raise PreconditionError(f"{package.arn} waits for its approval. Approve it, or add --approve.")


def set_approval(sagemaker: SageMakerClient, arn: str, approval: str, reason: str) -> None:
    """Approve or reject a package."""
    status: Any = approval
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status, ApprovalDescription=reason[:1024])


def metadata(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that name an MLflow model, as a package's metadata. Both take the same characters."""
    return {key: value for key, value in tags.items() if key.startswith("model-") or key == "run-id"}
