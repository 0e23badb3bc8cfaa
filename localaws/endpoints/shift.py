"""Moves an endpoint's traffic from its old fleet to the new one in steps, and back if an alarm goes off.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html: the alarms are watched
on the whole deployment; one that is in the state ALARM ends it, whichever fleet caused it.
"""

import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.core.utils import utcnow

from localaws.alarms import Alarms
from localaws.endpoints.fleet import Fleet
from localaws.endpoints.reasons import DeploymentError
from localaws.endpoints.rollout import Rollout

POLL_SECONDS = 0.05


@dataclass
class Incoming:
    """A new fleet that receives a share of the traffic. `stage` is its VariantStatus."""

    fleet: Fleet
    config_name: str
    share: float = 0.0
    stage: str = "Creating"
    stage_began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def chosen(self) -> bool:
        """Whether the next request goes to this fleet."""
        return random.random() < self.share  # noqa: S311

    def enter(self, stage: str) -> None:
        """Begin a stage."""
        self.stage, self.stage_began = stage, datetime.now(UTC)

    def status(self) -> list[dict[str, Any]]:
        """The VariantStatus of DescribeEndpoint."""
        return [{"Status": self.stage, "StartTime": self.stage_began}]


class TrafficShift:
    """The steps of one update.

    Args:
        speed: divides all waiting times.
        stopping: set when localaws stops.
    """

    def __init__(self, rollout: Rollout, alarms: Alarms, region: str, speed: float, stopping: threading.Event) -> None:
        self._rollout = rollout
        self._alarms = alarms
        self._region = region
        self._speed = speed
        self._stopping = stopping
        self._began = utcnow()
        self._deadline = time.monotonic() + rollout.limit / speed

    def forward(self, incoming: Incoming) -> None:
        """Give the new fleet all traffic, step by step.

        Raises:
            DeploymentError: an alarm went off, the time is over, or localaws stops. The shares are as they were then.
        """
        self._watch(0)
        for share in self._rollout.steps:
            incoming.enter("ActivatingTraffic")
            incoming.share = share
            incoming.enter("Baking")
            self._watch(self._rollout.wait)

    def wait_for_termination(self) -> None:
        """Wait as long as the old fleet is to be kept.

        Raises:
            DeploymentError: as `forward`.
        """
        self._watch(self._rollout.termination_wait)

    def back(self, incoming: Incoming) -> None:
        """Take the traffic away from the new fleet."""
        for share in self._rollout.rollback_steps:
            if share >= incoming.share and share:
                continue
            incoming.share = share
            if share:
                self._stopping.wait(self._rollout.wait / self._speed)

    def _watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds / self._speed
        while True:
            in_alarm = self._alarms.in_alarm(self._region, self._rollout.alarms, self._began)
            if in_alarm:
                # AWS's wording is not documented.
                raise DeploymentError(
                    f"The deployment was rolled back because CloudWatch alarms went off: {', '.join(in_alarm)}."
                )
            if time.monotonic() > self._deadline:
                raise DeploymentError(
                    f"The deployment was rolled back because it took longer than {self._rollout.limit:.0f} seconds."
                )
            if time.monotonic() >= end:
                return
            if self._stopping.wait(POLL_SECONDS):
                raise DeploymentError("localaws stopped while it updated the endpoint.")
