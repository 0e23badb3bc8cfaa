"""Application Auto Scaling: adds the tags of scalable targets, which the AWS provider reads, to moto.

Source: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_TagResource.html, and
API_ListTagsForResource, API_UntagResource and API_RegisterScalableTarget beside it.
"""

from functools import wraps
from typing import Any

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.responses import ActionResult

from localaws.errors import AwsError
from localaws.services.context import ServiceContext

MOST_TAGS = 50


def install(_context: ServiceContext) -> None:
    """Changes moto's Application Auto Scaling. Tags are an attribute of the target, so they are deleted with it."""
    register = ApplicationAutoScalingResponse.register_scalable_target
    register = getattr(register, "__wrapped__", register)

    @wraps(register)
    def register_scalable_target(self: Any) -> Any:
        response = register(self)
        if self._get_param("Tags"):
            _tags(_registered(self)).update(self._get_param("Tags"))
        return response

    def list_tags_for_resource(self: Any) -> ActionResult:
        return ActionResult({"Tags": dict(_tags(_by_arn(self)))})

    def tag_resource(self: Any) -> ActionResult:
        target = _by_arn(self)
        merged = {**_tags(target), **self._get_param("Tags")}
        if len(merged) > MOST_TAGS:
            raise AwsError("TooManyTagsException", f"A scalable target has at most {MOST_TAGS} tags.")
        target.tags = merged
        return ActionResult({})

    def untag_resource(self: Any) -> ActionResult:
        for key in self._get_param("TagKeys"):
            _tags(_by_arn(self)).pop(key, None)
        return ActionResult({})

    for operation in (register_scalable_target, list_tags_for_resource, tag_resource, untag_resource):
        setattr(ApplicationAutoScalingResponse, operation.__name__, operation)


def _targets(response: Any) -> list[Any]:
    backend = response.applicationautoscaling_backend
    return [target for dimensions in backend.targets.values() for target in dimensions.values()]


def _registered(response: Any) -> Any:
    named = response._get_param("ResourceId"), response._get_param("ScalableDimension")
    return next(one for one in _targets(response) if (one.resource_id, one.scalable_dimension) == named)


def _by_arn(response: Any) -> Any:
    arn = response._get_param("ResourceARN")
    for target in _targets(response):
        if target.arn == arn:
            return target
    raise AwsError("ResourceNotFoundException", f"The specified resource {arn} does not exist.")


def _tags(target: Any) -> dict[str, str]:
    if not hasattr(target, "tags"):
        target.tags = {}
    tags: dict[str, str] = target.tags
    return tags
