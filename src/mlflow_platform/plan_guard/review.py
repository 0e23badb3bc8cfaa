"""Reviews a plan: its changes, warnings, cost, what it would lose, and whether it is refused."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import PreconditionError, explain
from mlflow_platform.environment import EnvironmentRef
from mlflow_platform.plan_guard import cost, inputs, losses, rules
from mlflow_platform.plan_guard.changes import TerraformPlan
from mlflow_platform.tracking_server import find

if TYPE_CHECKING:
    from boto3 import Session

    from mlflow_platform.plan_guard.cost import Estimate
    from mlflow_platform.plan_guard.losses import BucketContents, DomainFiles, ServerContents, Uncounted


@dataclass(frozen=True)
class Review:
    """The result of reviewing a plan.

    `contents` is what a destroy would delete. `cost` is None for a destroy and where prices are not known. `refusal` is
    None if the plan may be applied.
    """

    plan: TerraformPlan
    warnings: tuple[str, ...]
    cost: Estimate | None
    contents: tuple[ServerContents | BucketContents | DomainFiles | Uncounted, ...]
    refusal: PreconditionError | None

    @property
    def as_json(self) -> dict[str, Any]:
        """The review as one JSON object."""
        return {
            "changes": [
                {
                    "action": change.action.value,
                    "address": change.address,
                    "name": self.plan.name_of(change),
                    "attributes": change.attributes,
                }
                for change in self.plan.changing
            ],
            "warnings": list(self.warnings),
            "monthly_cost": None if self.cost is None else _cost_as_json(self.cost),
            "lost": [str(found) for found in self.contents],
            "confirmed": []
            if self.refusal
            else [self.plan.name_of(change) for change in (*rules.lost(self.plan), *rules.cut_off(self.plan))],
            "refused": None if self.refusal is None else self.refusal.message,
        }


def review(
    plan: TerraformPlan, environment: EnvironmentRef, confirmed: Collection[str], session: Session | None, root: Path
) -> Review:
    """Review a plan that creates or changes resources.

    Args:
        confirmed: the names of what the plan may delete or replace.
        session: looks up the state of tracking servers that the plan updates; None to leave that out.
        root: the folder with the plan's variables.
    """
    warnings = list(rules.warnings(plan))
    if session is not None:
        warnings += rules.stopped_server_warnings(plan, environment, lambda name: _status(session, name))
    refusal = None
    try:
        inputs.check(plan, root)
        rules.check(plan, confirmed)
    except PreconditionError as error:
        refusal = error
    return Review(plan, tuple(warnings), cost.estimate(plan, cost.Prices.load()), (), refusal)


def review_destroy(
    plan: TerraformPlan, environment: EnvironmentRef, confirmed: Collection[str], session: Session
) -> Review:
    """Review a plan that destroys everything: count what would be lost in the tracking servers and the buckets.

    The files of a Studio domain's users are lost if AWS deletes them with the domain.
    """
    contents: list[ServerContents | BucketContents | DomainFiles | Uncounted] = [
        losses.server_contents(change, session, environment) for change in losses.servers(plan)
    ]
    contents += losses.domains(plan)
    contents += [losses.Uncounted(name, kind) for name, kind in rules.uncounted(plan)]
    for change in losses.buckets(plan):
        own = losses.planned_objects(plan, change.before["bucket"])
        contents.append(losses.bucket_contents(change, session.client("s3"), without=own))
    refusal = None
    try:
        losses.check(plan, contents, confirmed, command=environment.make_options)
    except PreconditionError as error:
        refusal = error
    return Review(plan, tuple(rules.warnings(plan)), None, tuple(contents), refusal)


def _status(session: Session, name: str) -> str:
    try:
        found = find(session.client("sagemaker"), name)
    except Exception as error:
        known = explain(error)
        raise (known or error) from error
    return found.status if found else ""


def _cost_as_json(estimate: Estimate) -> dict[str, Any]:
    return {
        "currency": estimate.currency,
        "prices_of": str(estimate.seen),
        "always": round(estimate.always, 2),
        "scheduled": None if estimate.scheduled is None else round(estimate.scheduled, 2),
        "schedule": estimate.schedule,
        "schedule_planned": estimate.planned,
        "complete": estimate.complete,
        "not_priced": [*estimate.unpriced, *estimate.unknown],
    }
