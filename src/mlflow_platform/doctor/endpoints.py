"""Checks of the environment's endpoints."""

from __future__ import annotations

from typing import Any

from mlflow_platform.doctor.context import Context
from mlflow_platform.doctor.finding import Verdict, failed, passed, skipped, warned
from mlflow_platform.endpoints.state import CHANGING


def endpoints(context: Context) -> Verdict:
    """Every endpoint of the environment is in service, with the instances that it should have."""
    sagemaker = context.client("sagemaker")
    pages = sagemaker.get_paginator("list_endpoints").paginate()
    own = [one for page in pages for one in page["Endpoints"] if _belongs(context, one["EndpointArn"])]
    if not own:
        return skipped("The environment has no endpoint.")
    problems = [_problem(sagemaker.describe_endpoint(EndpointName=one["EndpointName"])) for one in own]
    changing = [problem for problem in problems if problem and problem.endswith("in progress")]
    wrong = [problem for problem in problems if problem and problem not in changing]
    if wrong:
        return failed(
            "; ".join(wrong) + ".",
            "Deploy again with scripts/deploy_model.py; its error shows the end of the container's log.",
        )
    if changing:
        return warned("; ".join(changing) + ".", "Wait until the change is done, then run the doctor again.")
    return passed(f"{len(own)} in service")


def _belongs(context: Context, arn: str) -> bool:
    """Whether an endpoint has the environment's tags."""
    pages = context.client("sagemaker").get_paginator("list_tags").paginate(ResourceArn=arn)
    tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    return all(tags.get(key) == value for key, value in context.environment.tags.items())


def _problem(endpoint: dict[str, Any]) -> str | None:
    name, status = endpoint["EndpointName"], endpoint["EndpointStatus"]
    reason = endpoint.get("FailureReason", "").strip().rstrip(".")
    if status in CHANGING:
        return f"{name} is {status}: a change is in progress"
    if status != "InService":
        return f"{name} is {status}" + (f" ({reason})" if reason else "")
    if reason:
        return f"the last update of {name} failed ({reason}), so it serves the configuration before"
    for variant in endpoint.get("ProductionVariants", []):
        wanted, current = variant.get("DesiredInstanceCount"), variant.get("CurrentInstanceCount")
        if wanted is not None and current is not None and current < wanted:
            return f"{name} runs {current} of {wanted} instances of {variant['VariantName']}"
    return None
