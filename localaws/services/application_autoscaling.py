"""Application Auto Scaling: adds the tags of scalable targets, which the AWS provider reads, and activities to moto.

Source: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_TagResource.html, and
API_ListTagsForResource, API_UntagResource, API_RegisterScalableTarget and API_DescribeScalingActivities beside it.
localaws/endpoints/autoscaling.py scales.
"""

from functools import wraps
from typing import Any

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.responses import ActionResult

from localaws.endpoints.autoscaling import DIMENSION, Autoscaler
from localaws.errors import AwsError
from localaws.moto_methods import original
from localaws.services.context import ServiceContext

MOST_TAGS = 50
# MaxResults: "This value can be between 1 and 50. The default value is 50."
MOST_RESULTS = 50


def install(context: ServiceContext) -> None:
    """Changes moto's Application Auto Scaling. Tags are an attribute of the target, so they are deleted with it."""
    autoscaler = context.autoscaler
    register = original(ApplicationAutoScalingResponse.register_scalable_target)

    @wraps(register)
    def register_scalable_target(self: Any) -> Any:
        _check_minimum(self, autoscaler)
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

    def describe_scaling_activities(self: Any) -> ActionResult:
        wanted = {name: self._get_param(name) for name in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
        found = [
            activity
            for activity in list(autoscaler.activities)
            if all(value in (None, activity[name]) for name, value in wanted.items())
        ]
        first = int(self._get_param("NextToken") or 0)
        end = first + min(MOST_RESULTS, int(self._get_param("MaxResults") or MOST_RESULTS))
        page = {"ScalingActivities": found[first:end]}
        return ActionResult({**page, "NextToken": str(end)} if end < len(found) else page)

    for operation in (
        describe_scaling_activities,
        register_scalable_target,
        list_tags_for_resource,
        tag_resource,
        untag_resource,
    ):
        setattr(ApplicationAutoScalingResponse, operation.__name__, operation)


def _check_minimum(response: Any, autoscaler: Autoscaler) -> None:
    """Only asynchronous endpoints scale to zero: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html."""
    if response._get_param("ScalableDimension") != DIMENSION or response._get_param("MinCapacity") != 0:
        return
    found = autoscaler.variant(response.region, response._get_param("ResourceId"))
    if found and found[0].asynchronous is None:
        raise AwsError(
            "ValidationException",
            f"MinCapacity of {response._get_param('ResourceId')} must be at least 1. Only asynchronous endpoints scale "
            "to zero.",
        )


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
