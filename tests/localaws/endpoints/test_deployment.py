"""Deployments: which updates AWS excludes from its deployment guardrails."""

from typing import Any

import pytest

from localaws.endpoints.deployment import Deployment, Variant
from localaws.errors import AwsError

ROLLING = {
    "RollingUpdatePolicy": {
        "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        "WaitIntervalInSeconds": 60,
    }
}


def variant(name: str, instances: int = 2) -> Variant:
    state: dict[str, Any] = {"CurrentInstanceCount": instances, "DesiredInstanceCount": instances}
    return Variant(name, "image", {}, {}, "role", 60, state)


def test_one_variant_can_be_updated_in_batches() -> None:
    assert Deployment("config", [variant("one")], ROLLING).rollout().steps == (0.5, 1.0)


@pytest.mark.parametrize("more", [{"variants": 2}, {"shadows": 1}])
def test_several_variants_have_no_rolling_update(more: dict[str, int]) -> None:
    variants = [variant(str(number)) for number in range(more.get("variants", 1))]
    shadows = [variant("shadow") for _ in range(more.get("shadows", 0))]
    with pytest.raises(AwsError, match="RollingUpdatePolicy is not supported"):
        Deployment("config", variants, ROLLING, shadows=shadows).rollout()


def test_an_endpoint_that_has_scaled_to_zero_can_be_updated_at_once() -> None:
    assert Deployment("config", [variant("one", 0)]).rollout().steps == (1.0,)
    with pytest.raises(AwsError, match="of which there are 1"):
        Deployment("config", [variant("one", 0)], ROLLING).rollout()
