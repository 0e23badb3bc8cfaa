"""How an update moves traffic from the old instances to the new ones, as UpdateEndpoint's DeploymentConfig.

AWS's rules (docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html and its pages on canary, linear, rolling
and exclusions): a canary holds at most 50% of the capacity, a linear step 10% to 50%, a rolling batch 5% to 50%.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_common.errors import InputError

ALL_AT_ONCE, CANARY, LINEAR, ROLLING = "all-at-once", "canary", "linear", "rolling"
# The share of the capacity in percent: the default and the bounds.
_SHARES = {CANARY: (10, 1, 50), LINEAR: (25, 10, 50), ROLLING: (25, 5, 50)}
KINDS = (ALL_AT_ONCE, *_SHARES)
DEFAULT_WAIT = 300
# MaximumExecutionTimeoutInSeconds: the least that is sent, and the API's maximum.
_LEAST_TIME, _MOST_TIME = 3600, 28800
_STARTING = 1800


@dataclass(frozen=True)
class Strategy:
    """How traffic moves. `share` is in percent of the capacity, the waits are in seconds.

    `wait` is the time for which each step is observed before the next one. `keep` is the time for which the old
    instances stay after the last step; a rolling update has none.
    """

    kind: str = ALL_AT_ONCE
    share: int | None = None
    wait: int = 0
    keep: int = 0

    @property
    def seconds(self) -> int:
        """The time that AWS may take before it gives up and rolls back."""
        steps = 2 if self.share is None else -(-100 // self.share)
        return min(_MOST_TIME, max(_LEAST_TIME, _STARTING + steps * self.wait + self.keep))

    def check_instances(self, count: int) -> None:
        """Check that a step can be at most half of that many instances.

        Raises:
            InputError: there is only one instance.
        """
        if self.kind != ALL_AT_ONCE and count == 1:
            raise InputError(
                f"--strategy {self.kind} moves at most half of the instances at a time, so it needs two or more. Add "
                "--instance-count 2."
            )

    def check_variants(self, *, several: bool) -> None:
        """Check that AWS can update an endpoint with one or several variants in this way.

        Raises:
            InputError: AWS has no rolling updates of several variants (deployment-guardrails-exclusions.html).
        """
        if several and self.kind == ROLLING:
            raise InputError("AWS has no rolling update of several variants. Choose another --strategy.")

    def deployment_config(self, alarms: Sequence[str]) -> dict[str, Any]:
        """The DeploymentConfig of UpdateEndpoint. An alarm of these names rolls the update back."""
        config = self._rolling() if self.kind == ROLLING else self._blue_green()
        if alarms:
            config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
        return config

    def _rolling(self) -> dict[str, Any]:
        policy = {
            "MaximumBatchSize": _percent(self.share),
            "WaitIntervalInSeconds": self.wait,
            "MaximumExecutionTimeoutInSeconds": self.seconds,
            # A rollback returns to the old instances in one step.
            "RollbackMaximumBatchSize": _percent(100),
        }
        return {"RollingUpdatePolicy": policy}

    def _blue_green(self) -> dict[str, Any]:
        routing: dict[str, Any] = {
            "Type": self.kind.upper().replace("-", "_"),
            "WaitIntervalInSeconds": self.wait,
        }
        if self.kind == CANARY:
            routing["CanarySize"] = _percent(self.share)
        elif self.kind == LINEAR:
            routing["LinearStepSize"] = _percent(self.share)
        policy = {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": self.keep,
            "MaximumExecutionTimeoutInSeconds": self.seconds,
        }
        return {"BlueGreenUpdatePolicy": policy}


def strategy(kind: str, *, share: int | None, wait: int | None, keep: int) -> Strategy:
    """Check the options of a strategy and fill in its defaults.

    Raises:
        InputError: there is no such strategy, or it has no such share or no time to keep the old instances.
    """
    if kind not in KINDS:
        raise InputError(f"there is no strategy {kind!r}. --strategy takes {', '.join(KINDS[:-1])} or {KINDS[-1]}.")
    if kind == ALL_AT_ONCE:
        if share is not None:
            raise InputError(
                "all-at-once moves all traffic in one step. Leave --share out, or choose --strategy canary."
            )
        return Strategy(kind, None, wait or 0, keep)
    if kind == ROLLING and keep:
        raise InputError("a rolling update terminates the old instances batch by batch. Leave --keep-old out.")
    default, least, most = _SHARES[kind]
    share = default if share is None else share
    if not least <= share <= most:
        raise InputError(
            f"--share {share} is not possible with --strategy {kind}: AWS takes {least} to {most} percent."
        )
    wait = DEFAULT_WAIT if wait is None else wait
    steps = -(-100 // share)
    if kind != CANARY and _STARTING + steps * wait + keep > _MOST_TIME:
        raise InputError(
            f"{steps} steps of {wait} s take longer than AWS allows ({_MOST_TIME // 3600} hours). Shorten --wait or "
            "enlarge --share."
        )
    return Strategy(kind, share, wait, keep)


def _percent(value: int | None) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}
