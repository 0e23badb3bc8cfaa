"""What the environment's endpoints cost: hours of their instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_common.errors import is_denied
from mlflow_platform.endpoints import state
from mlflow_platform.endpoints.state import is_missing
from mlflow_platform.monthly_cost.lines import ENDPOINTS, CostLine
from mlflow_platform.monthly_cost.months import Months, in_hours
from mlflow_platform.plan_guard.cost import Prices

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment

_ENDPOINT = "aws_sagemaker_endpoint"


def endpoint_lines(
    sagemaker: SageMakerClient, environment: Environment, prices: Prices, months: Months
) -> list[CostLine]:
    """A line for each variant of the endpoints that have the environment's tags, at the present number of instances.

    Other teams' endpoints in the account, whose tags most roles may not read, are left out.
    """
    lines: list[CostLine] = []
    for page in sagemaker.get_paginator("list_endpoints").paginate():
        for listed in page["Endpoints"]:
            name = listed["EndpointName"]
            own = state.is_own(sagemaker, environment, listed["EndpointArn"])
            if own:
                lines += _variants(sagemaker, name, environment.region, prices, months)
            elif own is None and name.startswith(environment.prefix):
                lines.append(CostLine(ENDPOINTS, f"endpoint {name}", "not known: you may not read its tags"))
    return lines


def _variants(sagemaker: SageMakerClient, name: str, region: str, prices: Prices, months: Months) -> list[CostLine]:
    try:
        seen: Any = sagemaker.describe_endpoint(EndpointName=name)
    except sagemaker.exceptions.ClientError as error:
        # It was deleted in the meantime.
        if is_missing(error):
            return []
        if is_denied(error):
            return [CostLine(ENDPOINTS, f"endpoint {name}", "not known: you may not describe it")]
        raise
    running = [*seen.get("ProductionVariants", []), *seen.get("ShadowProductionVariants", [])]
    if not running and seen["EndpointStatus"] == "Creating":
        return [CostLine(ENDPOINTS, f"endpoint {name}", "not known: it is being created")]
    config = state.find_config(sagemaker, seen.get("EndpointConfigName", ""))
    if running and not config:
        # AWS charges for it nevertheless, and does not say for which instances.
        return [CostLine(ENDPOINTS, f"endpoint {name}", "not known: its configuration was deleted")]
    configured = {
        one["VariantName"]: one
        for one in (*config.get("ProductionVariants", []), *config.get("ShadowProductionVariants", []))
    }
    hours = months.hours(seen["CreationTime"])
    return [
        _line(name, variant, configured.get(variant["VariantName"], {}), prices, (region, hours)) for variant in running
    ]


def _line(
    endpoint: str, variant: Any, configured: Any, prices: Prices, where: tuple[str, tuple[float, float]]
) -> CostLine:
    region, (this, following) = where
    what = f"endpoint {endpoint}, variant {variant['VariantName']}"
    kind = configured.get("InstanceType")
    if kind is None:
        return CostLine(ENDPOINTS, what, "no price known: it has no instance type (serverless is charged by use)")
    count = int(variant.get("CurrentInstanceCount") or 0)
    what = f"{what} ({count} x {kind})"
    price, _ = prices.find(region, _ENDPOINT, kind)
    if count == 0:
        return CostLine(ENDPOINTS, what, "no instance runs now", 0.0, 0.0)
    if price is None:
        return CostLine(ENDPOINTS, what, "no price known for this instance type in this region")
    how = f"{in_hours(this)} and {in_hours(following)} x {count} x {price.price:g}"
    return CostLine(ENDPOINTS, what, how, this * count * price.price, following * count * price.price)
