"""What moto's model packages lack: a life cycle, the source, and updates that leave alone what they do not name.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateModelPackage.html
"""

from typing import Any

from moto.core.responses import ActionResult
from moto.sagemaker.models import ModelPackage
from moto.sagemaker.responses import SageMakerResponse

# moto's attribute for each member that an update may set.
UPDATED = {
    "ModelApprovalStatus": "model_approval_status",
    "ApprovalDescription": "approval_description",
    "ModelLifeCycle": "model_life_cycle",
    "SourceUri": "source_uri",
    "InferenceSpecification": "inference_specification",
}
DESCRIBED = {"ModelLifeCycle": "model_life_cycle", "SourceUri": "source_uri"}


def install() -> None:
    """Replaces moto's update, and adds to its create and describe."""
    create = SageMakerResponse.create_model_package
    describe = ModelPackage.gen_response_object

    def create_model_package(self: Any) -> Any:
        created: ActionResult = create(self)
        _set(_find(self, created.result["ModelPackageArn"]), self, DESCRIBED)
        return created

    def update_model_package(self: Any) -> ActionResult:
        package = _find(self, self._get_param("ModelPackageArn"))
        if self._get_param("ModelApprovalStatus"):
            package.set_model_approval_status(self._get_param("ModelApprovalStatus"))
        _set(package, self, UPDATED)
        properties = {**(package.customer_metadata_properties or {})}
        properties.update(self._get_param("CustomerMetadataProperties") or {})
        for name in self._get_param("CustomerMetadataPropertiesToRemove") or []:
            properties.pop(name, None)
        package.customer_metadata_properties = properties
        package.add_additional_inference_specifications(self._get_param("AdditionalInferenceSpecificationsToAdd"))
        package.modifications_done()
        return ActionResult({"ModelPackageArn": package.arn})

    def gen_response_object(self: Any) -> dict[str, Any]:
        found = {name: getattr(self, attribute, None) for name, attribute in DESCRIBED.items()}
        return {**describe(self), **{name: value for name, value in found.items() if value is not None}}

    SageMakerResponse.create_model_package = create_model_package
    SageMakerResponse.update_model_package = update_model_package
    ModelPackage.gen_response_object = gen_response_object


def _find(response: Any, arn: str) -> Any:
    return response.sagemaker_backend.describe_model_package(arn)


def _set(package: Any, response: Any, attributes: dict[str, str]) -> None:
    for name, attribute in attributes.items():
        value = response._get_param(name)
        if value is not None:
            setattr(package, attribute, value)
