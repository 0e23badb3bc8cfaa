"""The record of a proof: what was checked, with which evidence, what it took and cost, and what is left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["pass", "fail", "skip"]


@dataclass(frozen=True)
class StepResult:
    """What one step found. `evidence` is what was seen, or why it failed."""

    name: str
    proves: str
    status: Status
    evidence: str
    seconds: float


@dataclass
class Record:
    """Everything that a proof found.

    Attributes:
        where: `AWS` or `localaws`.
        started, ended: times with a zone, as ISO 8601.
        estimate_usd: the upper bound that was computed before the start.
        cost_usd: the list price of the time that it took; 0 on localaws.
        left: what could not be deleted, each with what it is.
        commands: what deletes the rest, in this order.
    """

    environment: str
    where: str
    account: str
    region: str
    started: str
    versions: Mapping[str, str]
    estimate_usd: float | None = None
    ended: str = ""
    seconds: float = 0.0
    cost_usd: float = 0.0
    interrupted: bool = False
    steps: list[StepResult] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every step passed, and nothing is left."""
        return not self.interrupted and not self.left and all(step.status == "pass" for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """The record as a JSON object, without the account's number."""
        text = json.dumps({"passed": self.passed, **asdict(self), "versions": dict(self.versions)})
        found: dict[str, Any] = json.loads(text.replace(self.account, masked(self.account)))
        return found

    def as_markdown(self) -> str:
        """The record as a page, without the account's number."""
        found = self.as_json()
        result = "passed" if self.passed else "interrupted" if self.interrupted else "failed"
        estimate = "not known" if self.estimate_usd is None else f"{self.estimate_usd:.2f} USD"
        lines = [
            f"# Proof on {self.where}, {self.started[:10]}: {result}",
            "",
            "| | |",
            "| --- | --- |",
            f"| Environment | `{self.environment}` |",
            f"| Account, region | {found['account']}, {self.region} |",
            f"| Started, ended | {self.started}, {self.ended} ({self.seconds:.0f} s) |",
            f"| Cost at list prices | {self.cost_usd:.2f} USD (before the start: at most {estimate}) |",
            *(f"| {name} | {version} |" for name, version in self.versions.items()),
            "",
            "| Step | Result | Seconds | Proves | Evidence |",
            "| --- | --- | ---: | --- | --- |",
            *(_row(step) for step in found["steps"]),
            "",
            "## What is left",
            "",
            *([f"- {each}" for each in found["left"]] or ["Nothing."]),
            *(["", "Delete it with these commands:", "", "```sh", *found["commands"], "```"] if self.commands else []),
        ]
        return "\n".join(lines) + "\n"


def masked(account: str) -> str:
    """An account's number with its last four digits only."""
    return "*" * (len(account) - 4) + account[-4:]


def _row(step: Mapping[str, Any]) -> str:
    evidence = step["evidence"].replace("\n", " ").replace("|", "\\|")
    return f"| {step['name']} | {step['status']} | {step['seconds']:.1f} | {step['proves']} | {evidence} |"
