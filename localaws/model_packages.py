"""Model packages: versions, the life cycle and the source, and updates that keep members that the request does not set.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html and
API_UpdateModelPackage.html beside it.
"""

import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any

from moto.core.utils import camelcase_to_underscores
from moto.sagemaker.models import ModelPackage, sagemaker_backends

from localaws.endpoints.records import refusal
from localaws.errors import AwsError
from localaws.iam.policy import Policy, PolicyError
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
    """Replaces moto's create, update and delete, and extends its describe."""

    def __init__(self, account: str, put_event: PutEvent) -> None:
        self._account = account
        self._put_event = put_event
        self._lock = threading.Lock()

    def operations(self) -> Operations:
        """What SageMaker's dispatcher installs."""
        return Operations(
            handlers={
                "CreateModelPackage": self.create,
                "UpdateModelPackage": self.update,
                "DeleteModelPackage": self.delete,
                "DeleteModelPackageGroup": self.delete_group,
                "PutModelPackageGroupPolicy": self.put_policy,
                "GetModelPackageGroupPolicy": self.policy,
                "DeleteModelPackageGroupPolicy": self.delete_policy,
            },
            checks={"CreateModelPackageGroup": self.check_group},
            extensions={"DescribeModelPackage": self.described},
        )

    def create(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreateModelPackage. Idempotent for one ClientToken. No version gets the number of a deleted one."""
        with self._lock:
            backend, token = sagemaker_backends[self._account][caller.region], given.get("ClientToken")
            for one in backend.model_packages.values():
                if token and one.client_token == token:
                    return {"ModelPackageArn": one.arn}
            package = self._package(caller.region, given)
            backend.model_packages[package.arn] = package
            backend.model_package_name_mapping[package.arn] = package.arn
            if package.model_package_version is None:
                backend.model_package_name_mapping[package.model_package_name] = package.arn
        self._changed(caller, package)
        return {"ModelPackageArn": package.arn}

    def check_group(self, caller: Caller, given: dict[str, Any]) -> None:
        """CreateModelPackageGroup: moto replaces a group that exists.

        The message is the one that Airflow looks for: https://github.com/apache/airflow/pull/28024
        """
        group = sagemaker_backends[self._account][caller.region].model_package_groups.get(
            given["ModelPackageGroupName"]
        )
        if group:
            raise refusal(f"Model Package Group already exists: {group.arn}")

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

    def put_policy(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """PutModelPackageGroupPolicy. The policy is stored, and grants nothing: localaws has one account."""
        group = self._group(caller, given["ModelPackageGroupName"])
        try:
            # A policy of another form is refused.
            Policy.parse("ResourcePolicy", given["ResourcePolicy"])
        except PolicyError as problem:
            raise refusal(f"Invalid resource policy: {problem}") from None
        group.resource_policy = given["ResourcePolicy"]
        return {"ModelPackageGroupArn": group.arn}

    def policy(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """GetModelPackageGroupPolicy."""
        group = self._group(caller, given["ModelPackageGroupName"])
        return {"ResourcePolicy": _policy_of(group)}

    def delete_policy(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteModelPackageGroupPolicy."""
        group = self._group(caller, given["ModelPackageGroupName"])
        _policy_of(group)
        del group.resource_policy
        return {}

    def _group(self, caller: Caller, name: str) -> Any:
        """A group for an operation on its policy.

        The messages are those that AWS's handler for CloudFormation and Terraform's provider look for:
        https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-sagemaker (ModelPackageGroup),
        https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/sagemaker/model_package_group_policy.go
        """
        group = sagemaker_backends[self._account][caller.region].model_package_groups.get(name)
        if group is None:
            arn = f"arn:aws:sagemaker:{caller.region}:{self._account}:model-package-group/{name}"
            raise refusal(f"Cannot find Model Package Group: {arn}")
        return group

    def _package(self, region: str, given: dict[str, Any]) -> ModelPackage:
        """moto's record of a new package. moto counts the packages for the version, and so replaces a later one."""
        backend, name, group = sagemaker_backends[self._account][region], given.get("ModelPackageName"), None
        if bool(name) == bool(given.get("ModelPackageGroupName")):
            raise refusal("Specify exactly one of ModelPackageName and ModelPackageGroupName.")
        version = None
        if not name:
            name = given["ModelPackageGroupName"].rsplit("/", 1)[-1]  # "The name or Amazon Resource Name (ARN)".
            group = backend.model_package_groups.get(name)
            if group is None:
                raise refusal(f"Model Package Group {name} does not exist.")
            if given.get("Tags"):
                # "If you supply ModelPackageGroupName [...] you cannot supply a tag argument."
                raise refusal("Tags cannot be specified for a model package with a ModelPackageGroupName.")
            packages = list(backend.model_packages.values())
            used = [one.model_package_version for one in packages if one.model_package_group_name == name]
            version = group.latest_version = max([getattr(group, "latest_version", 0), *used]) + 1
        elif name in backend.model_package_name_mapping:
            raise refusal(f"Model Package already exists: {backend.model_package_name_mapping[name]}")
        members = {camelcase_to_underscores(member): value for member, value in given.items()}
        if group:
            # "For versioned models, the value of this parameter must be set to Approved to deploy the model."
            members.setdefault("model_approval_status", "PendingManualApproval")
        package = ModelPackage(
            **{member: members.get(member) for member in inspect.signature(ModelPackage).parameters}
            | {
                "model_package_name": name,
                "model_package_group_name": name if group else None,
                "model_package_version": version,
                "model_package_type": "Versioned" if group else "Unversioned",
                "region_name": region,
                "account_id": self._account,
            }
        )
        _set(package, given, DESCRIBED)
        return package

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


def _policy_of(group: Any) -> str:
    policy: str | None = getattr(group, "resource_policy", None)
    if policy is None:
        raise refusal(f"Cannot find resource policy for: {group.arn}")
    return policy


def _set(package: ModelPackage, given: dict[str, Any], attributes: dict[str, str]) -> None:
    for name, attribute in attributes.items():
        if given.get(name) is not None:
            setattr(package, attribute, given[name])
