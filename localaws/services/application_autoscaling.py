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
from localaws.page_tokens import start_of, token_at
from localaws.services.context import ServiceContext

MOST_TAGS = 50
# MaxResults: "This value can be between 1 and 50. The default value is 50."
MOST_RESULTS = 50


def install(context: ServiceContext) -> None:
    """Changes moto's Application Auto Scaling. Tags are an attribute of the target, so they are deleted with it."""
    autoscaler = context.autoscaler
    register = original(ApplicationAutoScalingResponse.register_scalable_target)
    _require_targets()

    @wraps(register)
    def register_scalable_target(self: Any) -> Any:
        _check_capacity(self)
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
        first = start_of(self._get_param("NextToken"))
        end = first + min(MOST_RESULTS, int(self._get_param("MaxResults") or MOST_RESULTS))
        page = {"ScalingActivities": found[first:end]}
        return ActionResult({**page, "NextToken": token_at(end)} if end < len(found) else page)

    for operation in (
        describe_scaling_activities,
        register_scalable_target,
        list_tags_for_resource,
        tag_resource,
        untag_resource,
    ):
        setattr(ApplicationAutoScalingResponse, operation.__name__, operation)


def _require_targets() -> None:
    """These operations need a registered target, and a deletion needs the policy. moto lets the first two pass.

    "For any operation that depends on the existence of a scalable target, this exception is thrown if the scalable
    target [...] does not exist" (ObjectNotFoundException), and "deregistering a scalable target deletes the scaling
    policies and the scheduled actions that are associated with it": API_DeregisterScalableTarget. The message:
    https://github.com/cloudposse/terraform-aws-ecs-cloudwatch-autoscaling/pull/36
    """
    responses = ApplicationAutoScalingResponse
    deregister, delete = original(responses.deregister_scalable_target), original(responses.delete_scaling_policy)

    def needing(method: Any) -> Any:
        @wraps(method)
        def respond(self: Any) -> Any:
            if not _is_registered(self):
                raise _not_found(self, "No scalable target registered")
            return method(self)

        return respond

    @wraps(deregister)
    def deregister_scalable_target(self: Any) -> Any:
        response, backend, named = deregister(self), self.applicationautoscaling_backend, _named(self)
        for key in [key for key, policy in backend.policies.items() if _is_of(policy, named)]:
            del backend.policies[key]
        backend.scheduled_actions = [one for one in backend.scheduled_actions if not _is_of(one, named)]
        return response

    @wraps(delete)
    def delete_scaling_policy(self: Any) -> Any:
        named, policy = _named(self), self._get_param("PolicyName")
        policies = self.applicationautoscaling_backend.policies.values()
        if not any(one.policy_name == policy and _is_of(one, named) for one in policies):
            raise _not_found(self, "No scaling policy found", f", policy name: {policy}")
        return delete(self)

    responses.put_scaling_policy = needing(original(responses.put_scaling_policy))
    responses.put_scheduled_action = needing(original(responses.put_scheduled_action))
    responses.deregister_scalable_target = needing(deregister_scalable_target)
    responses.delete_scaling_policy = delete_scaling_policy


def _named(response: Any) -> tuple[str, str]:
    """The resource and the dimension that a request names."""
    return response._get_param("ResourceId"), response._get_param("ScalableDimension")


def _is_of(item: Any, named: tuple[str, str]) -> bool:
    """Whether a target, a policy or a scheduled action is of a resource and dimension."""
    return (item.resource_id, item.scalable_dimension) == named


def _is_registered(response: Any) -> bool:
    return any(_is_of(target, _named(response)) for target in _targets(response))


def _not_found(response: Any, what: str, more: str = "") -> AwsError:
    namespace, (resource, dimension) = response._get_param("ServiceNamespace"), _named(response)
    where = f"for service namespace: {namespace}, resource ID: {resource}, scalable dimension: {dimension}{more}"
    return AwsError("ObjectNotFoundException", f"{what} {where}")


def _check_capacity(response: Any) -> None:
    """Refuse limits: "When you register a new scalable target, you must specify values for the minimum and maximum".

    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html, and
    https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-add-policy.html: the minimum "must be equal to
    or less than the value specified for max-capacity".
    """
    held: Any = next((one for one in _targets(response) if _is_of(one, _named(response))), None)
    least, most = response._get_param("MinCapacity"), response._get_param("MaxCapacity")
    if held is not None:
        # What a change does not name stays.
        least = held.min_capacity if least is None else least
        most = held.max_capacity if most is None else most
    if least is None or most is None:
        raise AwsError("ValidationException", "MinCapacity and MaxCapacity are required for a new scalable target.")
    if int(least) > int(most):
        raise AwsError("ValidationException", "Maximum capacity cannot be less than minimum capacity")


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
    return next(one for one in _targets(response) if _is_of(one, _named(response)))


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
