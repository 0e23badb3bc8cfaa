"""What a proof costs at most, from its plan and list prices, before anything is created."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow_common.errors import PreconditionError
from mlflow_platform.plan_guard.changes import TerraformPlan
from mlflow_platform.plan_guard.cost import Prices, estimate
from mlflow_platform.plan_guard.running_hours import HOURS_PER_MONTH

# What the smoke tests create in addition to the plan: an endpoint, beside it a transform job and then an asynchronous
# endpoint, and an image build.
_ENDPOINT, INSTANCE = "aws_sagemaker_endpoint", "ml.m5.large"
_BUILDS, _BUILD_MINUTES = "aws_codebuild_project", 60
# Charged by use only, and far less in a few hours than this: logs, requests, stored objects, metrics (USD).
_USED, _BY_USE = frozenset({"aws_cloudwatch_log_group", "aws_cloudwatch_dashboard"}), 0.5


@dataclass(frozen=True)
class Budget:
    """The hourly price of everything, and what is paid once, in USD."""

    hourly: float
    once: float

    def cost(self, hours: float) -> float:
        """The cost of that many hours."""
        return self.hourly * hours + self.once


def budget_of(plan: TerraformPlan, prices: Prices, instance_hours: float) -> Budget:
    """The prices of a proof that applies this plan and whose endpoint and transform job run for that many hours.

    Raises:
        PreconditionError: a price is not known, so there is no upper bound.
    """
    found = estimate(plan, prices)
    region = plan.region or "this region"
    instance, _ = prices.find(region, _ENDPOINT, INSTANCE)
    minutes = [price.price for price in prices.find(region, _BUILDS, "")[1] if price.unit == "build minute"]
    unknown = [] if found is None else [kind for kind in found.unknown if kind.partition(" ")[0] not in _USED]
    missing = [] if found is None else [*found.unpriced, *unknown]
    if found is None or missing or instance is None or not minutes:
        what = ", ".join(missing) or f"everything in {region}"
        raise PreconditionError(
            f"the cost has no upper bound, because these prices are not known: {what}. Add them with --prices FILE; "
            "docs/guides/cost.md shows the form."
        )
    instances = 2 * instance.price * instance_hours
    return Budget(found.always / HOURS_PER_MONTH, instances + max(minutes) * _BUILD_MINUTES + _BY_USE)


def check_budget(budget: Budget, hours: float, limit: float) -> float:
    """The most that a proof costs which ends after that many hours, in USD.

    Raises:
        PreconditionError: it is above the limit.
    """
    most = budget.cost(hours)
    if most > limit:
        raise PreconditionError(
            f"the proof may cost {most:.2f} USD in {hours:.1f} hours, which is above the limit of {limit:.2f} USD. "
            "Nothing was created. Choose a smaller tracking server in the environment's terraform.tfvars."
        )
    return most
