"""Application Auto Scaling on localaws: tags of scalable targets."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.running import RunningLocalAws

VARIANT = {
    "ServiceNamespace": "sagemaker",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
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
