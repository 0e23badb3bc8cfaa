"""How an update moves traffic to the new fleet: the DeploymentConfig of UpdateEndpoint, validated.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html (and -canary, -linear,
-rolling and -configuration beside it), and the descriptions of these structures in the SageMaker API. AWS's wording of
the rejections is not documented.
"""

import math
from dataclasses import dataclass
from typing import Any, Self

from localaws.endpoints.records import refusal

# "Value must be less than or equal to 50% of the variant's total instance count" (CanarySize), "10-50%"
# (LinearStepSize), "between 5% to 50%" (MaximumBatchSize).
_LIMITS = {"CanarySize": (0.0, 0.5), "LinearStepSize": (0.1, 0.5), "MaximumBatchSize": (0.05, 0.5)}
# The API's documentation has no default of MaximumExecutionTimeoutInSeconds. This is its upper limit.
_LONGEST = 28800


@dataclass(frozen=True)
class Rollout:
    """The steps of an update. Times are in seconds, as given.

    Attributes:
        steps: the share of the traffic that the new fleet receives after each step; the last one is 1.
        wait: how long the new fleet is watched after each step.
        termination_wait: how long the old fleet is kept after the last step.
        limit: after this time the update is rolled back.
        alarms: the names of the CloudWatch alarms that cause a rollback.
        rollback_steps: the new fleet's shares while it is rolled back; the last one is 0.
    """

    steps: tuple[float, ...] = (1.0,)
    wait: float = 0
    termination_wait: float = 0
    limit: float = _LONGEST
    alarms: tuple[str, ...] = ()
    rollback_steps: tuple[float, ...] = (0.0,)

    @classmethod
    def of(cls, settings: dict[str, Any] | None, instances: int) -> Self:
        """Return the steps of a DeploymentConfig.

        Args:
            settings: the DeploymentConfig; None: all traffic at once.
            instances: the smallest number of instances of a variant. Capacity consists of whole instances.

        Raises:
            AwsError: ValidationException.
        """
        settings = settings or {}
        blue_green, rolling = settings.get("BlueGreenUpdatePolicy"), settings.get("RollingUpdatePolicy")
        if blue_green and rolling:
            raise refusal("DeploymentConfig must have only one of BlueGreenUpdatePolicy and RollingUpdatePolicy.")
        alarms = tuple(one["AlarmName"] for one in settings.get("AutoRollbackConfiguration", {}).get("Alarms", []))
        if rolling:
            return cls._rolling(rolling, instances, alarms)
        if not blue_green:
            return cls(alarms=alarms)
        routing = blue_green["TrafficRoutingConfiguration"]
        found = cls(
            steps=_steps(routing, instances),
            wait=routing["WaitIntervalInSeconds"],
            termination_wait=blue_green.get("TerminationWaitInSeconds", 0),
            limit=blue_green.get("MaximumExecutionTimeoutInSeconds", _LONGEST),
            alarms=alarms,
        )
        found._check_time()
        return found

    @classmethod
    def _rolling(cls, policy: dict[str, Any], instances: int, alarms: tuple[str, ...]) -> Self:
        batch = _share("MaximumBatchSize", policy["MaximumBatchSize"], instances)
        back: tuple[float, ...] = (0.0,)
        if "RollbackMaximumBatchSize" in policy:
            size = _capacity(policy["RollbackMaximumBatchSize"], instances)
            back = tuple(max(0.0, 1 - step) for step in _evenly(min(1.0, size)))
        found = cls(
            steps=_evenly(batch),
            wait=policy["WaitIntervalInSeconds"],
            limit=policy.get("MaximumExecutionTimeoutInSeconds", _LONGEST),
            alarms=alarms,
            rollback_steps=back,
        )
        found._check_time()
        return found

    def _check_time(self) -> None:
        """Check "that the timeout value should be larger than the total waiting time" (BlueGreenUpdatePolicy)."""
        total = self.wait * len(self.steps) + self.termination_wait
        if total >= self.limit:
            raise refusal(
                f"MaximumExecutionTimeoutInSeconds ({self.limit:.0f}) must be larger than the total waiting time of "
                f"the deployment ({total:.0f} seconds)."
            )


def _steps(routing: dict[str, Any], instances: int) -> tuple[float, ...]:
    kind = routing["Type"]
    sizes = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}
    for wanted, name in sizes.items():
        if name in routing and kind != wanted:
            raise refusal(f"{name} can only be specified for traffic routing type {wanted}.")
    if kind == "ALL_AT_ONCE":
        return (1.0,)
    name = sizes[kind]
    if name not in routing:
        raise refusal(f"{name} is required for traffic routing type {kind}.")
    share = _share(name, routing[name], instances)
    return (share, 1.0) if kind == "CANARY" else _evenly(share)


def _evenly(share: float) -> tuple[float, ...]:
    """The shares after each step of the same size."""
    count = math.ceil(round(1 / share, 9))
    return (*(min(1.0, share * step) for step in range(1, count)), 1.0)


def _share(name: str, size: dict[str, Any], instances: int) -> float:
    least, most = _LIMITS[name]
    share = _capacity(size, instances)
    given = size["Value"] / 100 if size["Type"] == "CAPACITY_PERCENT" else share
    if not least <= given <= most or share > most:
        bounds = f"{least:.0%} to {most:.0%}" if least else f"at most {most:.0%}"
        raise refusal(f"{name} must be {bounds} of the variant's instances, of which there are {instances}.")
    return share


def _capacity(size: dict[str, Any], instances: int) -> float:
    """The share of the capacity, in whole instances."""
    if size["Type"] == "INSTANCE_COUNT":
        return float(size["Value"] / instances)
    if size["Value"] > 100:
        raise refusal("A capacity percentage must be at most 100.")
    share: float = max(1, math.floor(instances * size["Value"] / 100)) / instances
    return share
