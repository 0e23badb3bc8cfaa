"""Application Auto Scaling on localaws: tags and limits of scalable targets, and what needs one."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.running import RunningLocalAws

VARIANT = {
    "ServiceNamespace": "sagemaker",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TRACKING: dict[str, Any] = {
    "PolicyType": "TargetTrackingScaling",
    "TargetTrackingScalingPolicyConfiguration": {
        "TargetValue": 10.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    },
}


def register(localaws: RunningLocalAws, endpoint: str, **given: Any) -> str:
    arn: str = localaws.client("application-autoscaling").register_scalable_target(
        ResourceId=f"endpoint/{endpoint}/variant/main", MinCapacity=1, MaxCapacity=2, **VARIANT, **given
    )["ScalableTargetARN"]
    return arn


def test_a_scalable_target_has_the_tags_it_was_registered_with_and_later_ones(localaws: RunningLocalAws) -> None:
    scaling = localaws.client("application-autoscaling")
    arn = register(localaws, "tagged-target", Tags={"project": "mlflow"})
    scaling.tag_resource(ResourceARN=arn, Tags={"environment": "staging"})
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"project": "mlflow", "environment": "staging"}
    scaling.untag_resource(ResourceARN=arn, TagKeys=["project"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"environment": "staging"}


def test_registering_a_target_again_keeps_its_tags(localaws: RunningLocalAws) -> None:
    arn = register(localaws, "target-twice", Tags={"project": "mlflow"})
    assert register(localaws, "target-twice") == arn
    assert localaws.client("application-autoscaling").list_tags_for_resource(ResourceARN=arn)["Tags"]


def test_more_than_fifty_tags_are_refused(localaws: RunningLocalAws) -> None:
    arn = register(localaws, "target-full")
    with pytest.raises(ClientError, match="TooManyTagsException"):
        localaws.client("application-autoscaling").tag_resource(
            ResourceARN=arn, Tags={f"key-{number}": "value" for number in range(51)}
        )


def test_the_tags_of_an_unknown_target_are_not_found(localaws: RunningLocalAws) -> None:
    arn = f"arn:aws:application-autoscaling:us-east-1:{localaws.settings.account}:scalable-target/none"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        localaws.client("application-autoscaling").list_tags_for_resource(ResourceARN=arn)


def test_the_call_log_names_the_permission_on_the_target(localaws: RunningLocalAws) -> None:
    arn = register(localaws, "target-logged")
    localaws.client("application-autoscaling").list_tags_for_resource(ResourceARN=arn)
    (logged,) = localaws.calls(arn)
    assert [(one["action"], one["resource"]) for one in logged["iam"]] == [
        ("application-autoscaling:ListTagsForResource", arn)
    ]


def test_what_needs_a_target_or_a_policy_that_does_not_exist_is_not_found(localaws: RunningLocalAws) -> None:
    scaling = localaws.client("application-autoscaling")
    target = {"ResourceId": "endpoint/no-target/variant/main", **VARIANT}
    message = "No scalable target registered for service namespace: sagemaker, resource ID: endpoint/no-target"
    with pytest.raises(scaling.exceptions.ObjectNotFoundException, match=message):
        scaling.put_scaling_policy(PolicyName="p", **TRACKING, **target)
    with pytest.raises(scaling.exceptions.ObjectNotFoundException, match=message):
        scaling.deregister_scalable_target(**target)
    with pytest.raises(scaling.exceptions.ObjectNotFoundException, match="No scaling policy found"):
        scaling.delete_scaling_policy(PolicyName="p", **target)


def test_deregistering_a_target_deletes_its_policies(localaws: RunningLocalAws) -> None:
    scaling = localaws.client("application-autoscaling")
    target = {"ResourceId": "endpoint/deregistered/variant/main", **VARIANT}
    register(localaws, "deregistered")
    scaling.put_scaling_policy(PolicyName="p", **TRACKING, **target)
    scaling.deregister_scalable_target(**target)
    assert scaling.describe_scaling_policies(**target)["ScalingPolicies"] == []


@pytest.mark.parametrize("limits", [{"MinCapacity": 1}, {"MaxCapacity": 1}, {"MinCapacity": 3, "MaxCapacity": 2}])
def test_a_new_target_has_a_minimum_and_a_maximum_in_order(localaws: RunningLocalAws, limits: dict[str, int]) -> None:
    scaling = localaws.client("application-autoscaling")
    with pytest.raises(ClientError, match="ValidationException"):
        scaling.register_scalable_target(ResourceId="endpoint/limits/variant/main", **VARIANT, **limits)


def test_a_target_can_be_changed_by_one_limit(localaws: RunningLocalAws) -> None:
    scaling = localaws.client("application-autoscaling")
    register(localaws, "one-limit")
    target = {"ResourceId": "endpoint/one-limit/variant/main", **VARIANT}
    scaling.register_scalable_target(MaxCapacity=5, **target)
    with pytest.raises(ClientError, match="ValidationException"):
        scaling.register_scalable_target(MinCapacity=6, **target)
