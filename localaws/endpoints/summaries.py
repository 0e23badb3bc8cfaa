"""What DescribeEndpoint returns about the variants of a deployment."""

from typing import Any

from localaws.endpoints.deployment import Deployment
from localaws.endpoints.fleet import Fleet


def summaries(deployment: Deployment, fleet: Fleet, *, shadow: bool = False) -> list[dict[str, Any]]:
    """The ProductionVariantSummary of each production variant, or of each shadow variant."""
    shown = []
    for variant in deployment.shadows if shadow else deployment.variants:
        summary = {
            "VariantName": variant.name,
            "DeployedImages": [
                {
                    "SpecifiedImage": variant.image,
                    "ResolvedImage": variant.image,
                    "ResolutionTime": deployment.started,
                }
            ],
            **variant.state,
        }
        member = fleet.members.get(variant.name)
        healthy = member is not None and any(one.container.healthy for one in member.instances)
        if not healthy and "CurrentInstanceCount" in summary:
            summary["CurrentInstanceCount"] = 0
        shown.append(summary)
    return shown
