"""Checks of the environment's endpoints."""

from __future__ import annotations

from typing import Any

from mlflow_platform.doctor.context import Context
from mlflow_platform.doctor.finding import Verdict, failed, passed, skipped, warned
from mlflow_platform.endpoints.state import CHANGING, is_own


def endpoints(context: Context) -> Verdict:
    """Every endpoint of the environment is in service, with the instances that it should have."""
    sagemaker = context.client("sagemaker")
    pages = sagemaker.get_paginator("list_endpoints").paginate()
    listed = [one for page in pages for one in page["Endpoints"]]
    owned = {one["EndpointName"]: is_own(sagemaker, context.environment, one["EndpointArn"]) for one in listed}
    own = [one for one in listed if owned[one["EndpointName"]]]
    # In an account that several teams share, most roles may not read the tags of the others' endpoints.
    unreadable = sorted(name for name, answer in owned.items() if answer is None)
    if not own and not unreadable:
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
    if unreadable:
        return warned(
            f"{len(own)} in service. The tags of {', '.join(unreadable)} cannot be read: it is unknown whose they are.",
            "Nothing, if they are another team's; otherwise allow sagemaker:ListTags on them.",
        )
    return passed(f"{len(own)} in service")


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
