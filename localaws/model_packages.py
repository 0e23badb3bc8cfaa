"""Model packages: adds the life cycle and the source, and updates that keep members that the request does not set.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateModelPackage.html
"""

from collections.abc import Callable, Sequence
from typing import Any

from moto.sagemaker.models import ModelPackage, sagemaker_backends

from localaws.errors import AwsError
from localaws.services.context import Caller, Operations

# moto's attribute for each member that an update may set.
UPDATED = {
    "ModelApprovalStatus": "model_approval_status",
    "ApprovalDescription": "approval_description",
    "ModelLifeCycle": "model_life_cycle",
    "SourceUri": "source_uri",
    "InferenceSpecification": "inference_specification",
}
# What an event calls the members of an update: https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
EVENT_FIELDS = {name: "sourceUri" if name == "SourceUri" else name for name in UPDATED} | {
    "CustomerMetadataProperties": "CustomerMetadataProperties",
    "CustomerMetadataPropertiesToRemove": "CustomerMetadataProperties",
}
# Members that moto neither stores nor describes.
DESCRIBED = {"ModelLifeCycle": "model_life_cycle", "SourceUri": "source_uri"}


# Sends an event: region, source, detail type, detail, resources.
PutEvent = Callable[[str, str, str, dict[str, Any], Sequence[str]], None]


class ModelPackages:
    """Replaces moto's update, and extends its create and describe."""

    def __init__(self, account: str, put_event: PutEvent) -> None:
        self._account = account
        self._put_event = put_event

    def operations(self) -> Operations:
        """What SageMaker's dispatcher installs."""
        return Operations(
            handlers={
                "UpdateModelPackage": self.update,
                "DeleteModelPackage": self.delete,
                "DeleteModelPackageGroup": self.delete_group,
            },
            extensions={"CreateModelPackage": self.created, "DescribeModelPackage": self.described},
        )

    def created(self, caller: Caller, given: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
        """CreateModelPackage."""
        package = self._find(caller, response["ModelPackageArn"])
        _set(package, given, DESCRIBED)
        self._changed(caller, package)
        return response

    def described(self, caller: Caller, _given: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
        """DescribeModelPackage."""
        package = self._find(caller, response["ModelPackageArn"])
        found = {name: getattr(package, attribute, None) for name, attribute in DESCRIBED.items()}
        return {**response, **{name: value for name, value in found.items() if value is not None}}

    def update(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """UpdateModelPackage."""
        package = self._find(caller, given["ModelPackageArn"])
        if given.get("ModelApprovalStatus"):
            package.set_model_approval_status(given["ModelApprovalStatus"])
        _set(package, given, UPDATED)
        properties = {**(package.customer_metadata_properties or {}), **(given.get("CustomerMetadataProperties") or {})}
        for name in given.get("CustomerMetadataPropertiesToRemove") or []:
            properties.pop(name, None)
        package.customer_metadata_properties = properties
        package.add_additional_inference_specifications(given.get("AdditionalInferenceSpecificationsToAdd"))
        package.modifications_done()
        updated = dict.fromkeys(field for name, field in EVENT_FIELDS.items() if given.get(name) is not None)
        self._changed(caller, package, list(updated))
        return {"ModelPackageArn": package.arn}

    def delete(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteModelPackage."""
        package = self._find(caller, given["ModelPackageName"])
        backend = sagemaker_backends[self._account][caller.region]
        del backend.model_packages[package.arn]
        for name in [name for name, arn in backend.model_package_name_mapping.items() if arn == package.arn]:
            del backend.model_package_name_mapping[name]
        return {}

    def delete_group(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteModelPackageGroup: only an empty group can be deleted.

        Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteModelPackageGroup.html
        """
        backend = sagemaker_backends[self._account][caller.region]
        group = backend.describe_model_package_group(given["ModelPackageGroupName"])
        name = group.model_package_group_name
        if any(package.model_package_group_name == name for package in backend.model_packages.values()):
            raise AwsError("ConflictException", f"Model Package Group {group.arn} still contains Model Packages.")
        del backend.model_package_groups[name]
        return {}

    def _changed(self, caller: Caller, package: ModelPackage, updated: list[str] | None = None) -> None:
        """https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html."""
        detail = {
            "ModelPackageGroupName": package.model_package_group_name,
            "ModelPackageName": package.model_package_name,
            "ModelPackageVersion": package.model_package_version,
            "ModelPackageArn": package.arn,
            "ModelPackageStatus": package.model_package_status,
            "ModelApprovalStatus": package.model_approval_status,
            "UpdatedModelPackageFields": updated,
        }
        known = {name: value for name, value in detail.items() if value is not None}
        self._put_event(caller.region, "aws.sagemaker", "SageMaker Model Package State Change", known, [package.arn])

    def _find(self, caller: Caller, arn: str) -> ModelPackage:
        return sagemaker_backends[self._account][caller.region].describe_model_package(arn)


def _set(package: ModelPackage, given: dict[str, Any], attributes: dict[str, str]) -> None:
    for name, attribute in attributes.items():
        if given.get(name) is not None:
            setattr(package, attribute, given[name])
