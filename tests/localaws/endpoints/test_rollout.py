"""The steps of a DeploymentConfig, and what is rejected."""

from typing import Any

import pytest

from localaws.endpoints.rollout import Rollout
from localaws.errors import AwsError


def blue_green(kind: str, **more: Any) -> dict[str, Any]:
    """A DeploymentConfig for blue/green."""
    routing = {"Type": kind, "WaitIntervalInSeconds": 300} | {k: v for k, v in more.items() if k[0].isupper()}
    policy = {"TrafficRoutingConfiguration": routing, "MaximumExecutionTimeoutInSeconds": more.get("limit", 28800)}
    return {"BlueGreenUpdatePolicy": policy | {"TerminationWaitInSeconds": more.get("termination", 0)}}


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def count(value: int) -> dict[str, Any]:
    return {"Type": "INSTANCE_COUNT", "Value": value}


@pytest.mark.parametrize(
    ("settings", "instances", "steps"),
    [
        (None, 1, [1.0]),
        ({}, 4, [1.0]),
        (blue_green("ALL_AT_ONCE"), 1, [1.0]),
        (blue_green("CANARY", CanarySize=percent(25)), 4, [0.25, 1.0]),
        (blue_green("CANARY", CanarySize=count(1)), 3, [1 / 3, 1.0]),
        # A canary of 10 % of three instances is one instance.
        (blue_green("CANARY", CanarySize=percent(10)), 3, [1 / 3, 1.0]),
        (blue_green("LINEAR", LinearStepSize=percent(25)), 4, [0.25, 0.5, 0.75, 1.0]),
        (blue_green("LINEAR", LinearStepSize=count(2)), 5, [0.4, 0.8, 1.0]),
    ],
)
def test_steps_of_blue_green(settings: dict[str, Any] | None, instances: int, steps: list[float]) -> None:
    assert list(Rollout.of(settings, instances).steps) == pytest.approx(steps)


def test_steps_of_a_rolling_update() -> None:
    policy: dict[str, Any] = {"MaximumBatchSize": percent(50), "WaitIntervalInSeconds": 60}
    assert Rollout.of({"RollingUpdatePolicy": policy}, 4).rollback_steps == (0.0,)
    back = Rollout.of({"RollingUpdatePolicy": policy | {"RollbackMaximumBatchSize": percent(50)}}, 4)
    assert (back.steps, back.rollback_steps) == ((0.5, 1.0), (0.5, 0.0))


@pytest.mark.parametrize(
    ("settings", "instances", "message"),
    [
        (blue_green("CANARY"), 4, "CanarySize is required"),
        (blue_green("LINEAR", CanarySize=percent(10)), 4, "can only be specified for traffic routing type CANARY"),
        (blue_green("ALL_AT_ONCE", LinearStepSize=percent(10)), 4, "only be specified for traffic routing type LINEAR"),
        (blue_green("CANARY", CanarySize=percent(51)), 10, "at most 50% of the variant's instances"),
        (blue_green("CANARY", CanarySize=count(1)), 1, "of which there are 1"),
        (blue_green("CANARY", CanarySize=percent(10)), 1, "of which there are 1"),
        (blue_green("LINEAR", LinearStepSize=percent(9)), 100, "10% to 50%"),
        (blue_green("LINEAR", LinearStepSize=count(3)), 4, "10% to 50%"),
        (blue_green("CANARY", CanarySize=percent(10), limit=600), 10, "larger than the total waiting time"),
        (blue_green("ALL_AT_ONCE", limit=600, termination=300), 1, "larger than the total waiting time"),
        (blue_green("ALL_AT_ONCE") | {"RollingUpdatePolicy": {}} | {"RollingUpdatePolicy": {"a": 1}}, 1, "only one of"),
        (
            {"RollingUpdatePolicy": {"MaximumBatchSize": percent(4), "WaitIntervalInSeconds": 0}},
            100,
            "5% to 50%",
        ),
    ],
)
def test_rejects_what_aws_documents_as_invalid(settings: dict[str, Any], instances: int, message: str) -> None:
    with pytest.raises(AwsError, match=message) as refused:
        Rollout.of(settings, instances)
    assert refused.value.code == "ValidationException"
