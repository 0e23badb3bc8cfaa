"""What else Terraform deployed and AWS charges for whether it is used or not: keys, alarms, network endpoints."""

from __future__ import annotations

from collections import Counter

from mlflow_platform.doctor.terraform_state import TerraformState
from mlflow_platform.monthly_cost.lines import OTHER, CostLine
from mlflow_platform.plan_guard.app_stacks import holds_app
from mlflow_platform.plan_guard.changes import SERVER
from mlflow_platform.plan_guard.cost import Prices, Schedule, line_of, size_of

# The other parts of an estimate count these.
_ELSEWHERE = frozenset({SERVER, "aws_s3_bucket", "aws_ecr_repository", "aws_codebuild_project"})


def fixed_lines(state: TerraformState, prices: Prices, region: str) -> list[CostLine]:
    """The lines of all resources with a fixed price, equal ones together, and of those without a known price."""
    lines: list[CostLine] = []
    unknown: Counter[str] = Counter()
    equal: Counter[tuple[str, float]] = Counter()
    for resource in state.resources:
        # An MLflow App has no charge of its own, and CloudFormation none for resource types of AWS.
        if resource.type in _ELSEWHERE | prices.free or holds_app(resource.type, resource.values):
            continue
        given = {"type": resource.type, "values": resource.values}
        size = size_of(given)
        price, used = prices.find(region, resource.type, size)
        if price is None:
            unknown.update([] if used else [resource.type])
            continue
        line = line_of(given, size, price, Schedule({}, {}))
        if line.always is None:
            lines.append(CostLine(OTHER, line.what, line.how))
        elif price.unit == "month":
            equal[resource.type, price.price] += 1
        else:
            lines.append(CostLine(OTHER, line.what, line.how, line.always, line.always))
    lines += [
        CostLine(OTHER, _kind(kind), f"{count} x {each:g}", count * each, count * each)
        for (kind, each), count in sorted(equal.items())
    ]
    lines += [CostLine(OTHER, f"{_kind(kind)} ({count})", "no price known") for kind, count in sorted(unknown.items())]
    return lines


def schedule_of(state: TerraformState) -> Schedule | None:
    """When the servers are started and stopped, if Terraform deployed a schedule."""
    return Schedule.planned([{"type": one.type, "values": one.values} for one in state.resources])


def _kind(kind: str) -> str:
    return kind.removeprefix("aws_").replace("_", " ")
