"""`AWS::SageMaker::MlflowApp`, which moto's CloudFormation does not have.

Source of properties, attributes and permissions: the resource type's schema, which cfn-lint contains, and
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sagemaker-mlflowapp.html
"""

import time
from collections.abc import Callable
from typing import Any, ClassVar

from moto.cloudformation.models import cloudformation_backends
from moto.core.common_models import CloudFormationModel

from localaws.call import Call, current_call
from localaws.constraints import check
from localaws.errors import AwsError
from localaws.services import stack_policy
from localaws.tracking.app import MlflowApp
from localaws.tracking.apps import MlflowApps
from localaws.tracking.hosted import BUSY

TYPE = "AWS::SageMaker::MlflowApp"
ATTRIBUTES = frozenset({"Arn", "CreationTime", "LastModifiedTime", "MlflowAppId", "MlflowVersion", "Status"})
PROPERTIES = frozenset(
    {"ArtifactStoreUri", "ModelRegistrationMode", "Name", "RoleArn", "Tags", "WeeklyMaintenanceWindowStart"}
)
# Changing one of these replaces the App.
CREATE_ONLY = ("Name", "RoleArn")
SECONDS = 120.0


class ResourceError(Exception):
    """An App cannot be created, updated or deleted. The message is the reason that the stack's events show."""


class MlflowAppResource(CloudFormationModel):  # type: ignore[misc]
    """An App that a stack created. It is saved with the stack, so it holds the App's ARN only."""

    # Set by `localaws.services.cloudformation`: moto creates resources through class methods.
    apps: ClassVar[MlflowApps]
    guard: ClassVar[Callable[[Call], None]]

    logical_resource_id: str = ""

    def __init__(self, arn: str, region: str, stack_id: str, properties: dict[str, Any]) -> None:
        self.arn = arn
        self.region = region
        self.stack_id = stack_id
        self.properties = properties

    @staticmethod
    def cloudformation_name_type() -> str:
        """Return the property with the name; none, because a template must give it."""
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        """Return the resource type."""
        return TYPE

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Return whether Fn::GetAtt knows an attribute."""
        return attr in ATTRIBUTES

    @property
    def physical_resource_id(self) -> str:
        """What `Ref` returns: the primary identifier of the schema."""
        return self.arn

    @property
    def app(self) -> MlflowApp | None:
        """The App; None if it was deleted outside the stack."""
        return self.apps.by_arn(self.arn)

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """Return an attribute for Fn::GetAtt."""
        app = self.app
        if app is None:
            return self.arn if attribute_name == "Arn" else ""
        described = app.description() | {"MlflowAppId": app.id}
        value = described[attribute_name]
        return str(value.isoformat() if attribute_name.endswith("Time") else value)

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **kwargs: Any
    ) -> "MlflowAppResource":
        """Begin to create an App; `is_created` says when it is ready.

        Raises:
            ResourceError: the properties are not valid, or SageMaker refuses them.
        """
        del resource_name
        stack_id = kwargs["StackId"]
        properties = dict(cloudformation_json.get("Properties") or {})
        _check_properties(properties)
        tags = cls._tags(properties, account_id, region_name, stack_id)
        app = cls._sagemaker("CreateMlflowApp", {**properties, "Tags": tags}, region_name)
        return cls(app.arn, region_name, stack_id, properties)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: "MlflowAppResource",
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> "MlflowAppResource":
        """Update an App, or replace it by a new, empty one.

        Raises:
            ResourceError: the stack policy, SageMaker or CloudFormation refuses it, or the new App is not created.
        """
        properties = dict(cloudformation_json.get("Properties") or {})
        _check_properties(properties)
        before = original_resource
        replaced = [name for name in CREATE_ONLY if properties.get(name) != before.properties.get(name)]
        stack = cloudformation_backends[account_id][region_name].get_stack(before.stack_id)
        action = "Update:Replace" if replaced else "Update:Modify"
        why = stack_policy.refusal(stack.policy, action, before.logical_resource_id, TYPE)
        if why is None and replaced and "Name" not in replaced:
            why = (
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename "
                f"{properties['Name']} and update the stack again."
            )
        if why:
            raise ResourceError(why)
        if replaced:
            made = cls.create_from_cloudformation_json(
                new_resource_name, cloudformation_json, account_id, region_name, StackId=before.stack_id
            )
            try:
                made._wait("CreateFailed")
            except ResourceError:
                made.delete(account_id, region_name)
                raise
            before.delete(account_id, region_name)
            return made
        before._modify(properties)
        return before

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the App and wait until it is gone. One that is gone already is not an error.

        Raises:
            ResourceError: SageMaker refuses it, or the deletion fails.
        """
        del account_id, region_name
        self._settle()
        if self.app is None:
            return
        self._sagemaker("DeleteMlflowApp", {"Arn": self.arn}, self.region)
        self._wait("DeleteFailed")

    def is_created(self) -> bool:
        """Return whether the App is ready.

        Raises:
            ResourceError: its creation failed.
        """
        app = self.app
        if app is None or app.status == "CreateFailed":
            raise ResourceError(app.reason if app else "The MLflow App was deleted while it was created.")
        return app.status != "Creating"

    def set_tags(self, account_id: str) -> None:
        """Give the App its tags and those of the stack."""
        app = self.app
        if app is not None:
            app.tags = self._tags(self.properties, account_id, self.region, self.stack_id)

    def _modify(self, properties: dict[str, Any]) -> None:
        wanted = {name: properties[name] for name in PROPERTIES - {*CREATE_ONLY, "Tags"} if name in properties}
        if "ModelRegistrationMode" in self.properties:  # Without the property, the App gets the default again.
            wanted.setdefault("ModelRegistrationMode", "AutoModelRegistrationDisabled")
        self._settle()
        self._sagemaker("UpdateMlflowApp", {"Arn": self.arn, **wanted}, self.region)
        self._wait("UpdateFailed")
        self.properties = properties

    def _settle(self) -> None:
        deadline = time.monotonic() + SECONDS
        while (app := self.app) is not None and app.status in BUSY and time.monotonic() < deadline:
            time.sleep(0.05)

    def _wait(self, failed: str) -> None:
        self._settle()
        app = self.app
        if app is not None and app.status == failed:
            raise ResourceError(app.reason)

    @classmethod
    def _sagemaker(cls, operation: str, given: dict[str, Any], region: str) -> MlflowApp:
        """Make a call with the permissions of the stack's caller, as CloudFormation does without a service role."""
        try:
            cls._authorize(operation, given, region)
            check("sagemaker", operation, given)
            if operation == "CreateMlflowApp":
                return cls.apps.create(region, given)
            app = cls.apps.get(region, given["Arn"])
            (cls.apps.delete(app) if operation == "DeleteMlflowApp" else cls.apps.update(app, given))
        except AwsError as error:
            raise ResourceError(f"{error.message} (Service: SageMaker, Status Code: {error.status})") from None
        return app

    @classmethod
    def _authorize(cls, operation: str, given: dict[str, Any], region: str) -> None:
        caller = current_call.get()
        call = Call("POST", "/", "/", "", caller.headers, b"", service="sagemaker", operation=operation, region=region)
        call.principal, call.access_key = caller.principal, caller.access_key
        call.protocol, call.parameters = "json", given
        try:
            cls.guard(call)
        finally:
            caller.permissions += call.permissions

    @classmethod
    def _tags(cls, properties: dict[str, Any], account: str, region: str, stack_id: str) -> list[dict[str, str]]:
        stack = cloudformation_backends[account][region].get_stack(stack_id)
        tags = dict(stack.tags) | {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []}
        return [{"Key": key, "Value": value} for key, value in tags.items()]


def _check_properties(properties: dict[str, Any]) -> None:
    extra = sorted(properties.keys() - PROPERTIES)
    missing = [name for name in ("ArtifactStoreUri", "Name", "RoleArn") if name not in properties]
    found = [f"#: extraneous key [{name}] is not permitted" for name in extra]
    found += [f"#: required key [{name}] not found" for name in missing]
    if found:
        raise ResourceError(f"Properties validation failed for resource with message: {', '.join(found)}")
