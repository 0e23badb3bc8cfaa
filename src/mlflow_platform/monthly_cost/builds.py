"""What image builds cost: their minutes this month, and as many a day next month."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from mlflow_platform.monthly_cost.lines import BUILDS, CostLine
from mlflow_platform.monthly_cost.months import Months
from mlflow_platform.plan_guard.cost import Prices

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_ONCE = 100  # BatchGetBuilds and a page of ListBuildsForProject (CodeBuild API).
_UNIT = "build minute"


def build_lines(codebuild: Any, project: str, prices: Prices, region: str, months: Months) -> list[CostLine]:
    """A line for each compute type that the project's builds of this month used; none without builds.

    CodeBuild bills each build from its submission to its end, rounded up to the next minute
    (https://aws.amazon.com/codebuild/pricing/).
    """
    minutes: Counter[str] = Counter()
    for build in _builds(codebuild, project, months):
        seconds = (build.get("endTime", months.now) - build["startTime"]).total_seconds()
        minutes[build["environment"]["computeType"]] += math.ceil(seconds / 60)
    return [_line(project, kind, count, prices, (region, months)) for kind, count in sorted(minutes.items())]


def _line(project: str, kind: str, minutes: int, prices: Prices, where: tuple[str, Months]) -> CostLine:
    region, months = where
    used = prices.find(region, "aws_codebuild_project", "")[1]
    price = next((one for one in used if (one.unit, one.size) == (_UNIT, kind)), None)
    what = f"builds of {project} ({kind})"
    if price is None:
        return CostLine(BUILDS, what, f"no price known for this compute type in this region; {minutes} minutes so far")
    # At the rate of this month so far, but of a whole day at least.
    elapsed = max((months.now - months.start).total_seconds() / 86400, 1.0)
    this = minutes / elapsed * ((months.end - months.start).days)
    following = minutes / elapsed * ((months.following_end - months.end).days)
    how = f"{minutes} minutes so far, {this:.0f} and {following:.0f} at this rate x {price.price:g}"
    return CostLine(BUILDS, what, how, this * price.price, following * price.price)


def _builds(codebuild: Any, project: str, months: Months) -> Iterator[Any]:
    """The builds that started this month."""
    pages = codebuild.get_paginator("list_builds_for_project").paginate(projectName=project, sortOrder="DESCENDING")
    for page in pages:
        ids = page["ids"]
        for start in range(0, len(ids), _AT_ONCE):
            builds = codebuild.batch_get_builds(ids=ids[start : start + _AT_ONCE])["builds"]
            recent = [build for build in builds if build["startTime"] >= months.start]
            yield from recent
            if len(recent) < len(builds):
                return
