"""Checks of the environment's endpoints."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mlflow_common.deploy_options import DeployOptions
from mlflow_common.errors import first_line
from mlflow_platform.doctor.context import Context
from mlflow_platform.doctor.finding import Verdict, failed, passed, skipped, warned
from mlflow_platform.doctor.roles import NEAR
from mlflow_platform.endpoints.state import CHANGING, find_config
from mlflow_platform.instance_quotas import ENDPOINT, REQUEST, read_quotas

# What deploy_model.py uses without --instance-type.
_DEFAULT = DeployOptions().instance_type


def endpoints(context: Context) -> Verdict:
    """Every endpoint of the environment is in service, with the instances that it should have."""
    sagemaker = context.client("sagemaker")
    own = [name for name, ours in context.endpoints.items() if ours]
    # In an account that several teams share, most roles may not read the tags of the others' endpoints.
    unreadable = sorted(name for name, ours in context.endpoints.items() if ours is None)
    if not own and not unreadable:
        return skipped("The environment has no endpoint.")
    problems = [_problem(sagemaker.describe_endpoint(EndpointName=name)) for name in own]
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


def quotas(context: Context) -> Verdict:
    """The environment's endpoints do not nearly use up the account's instances, whose quotas Service Quotas knows.

    Other endpoints of the account use the same quotas, and most roles may not describe them: they are not counted.
    Without instances, the quota of the default instance type is checked: that of a new account is often 0.
    """
    used = _instances(context)
    client, wanted = context.client("service-quotas"), {ENDPOINT.format(kind): kind for kind in used or [_DEFAULT]}
    try:
        limits = {wanted[name]: value for name, value in read_quotas(client, wanted).items()}
    except client.exceptions.ClientError as error:
        return skipped(f"Service Quotas cannot be read: {first_line(error)}")
    if not used:
        if limits.get(_DEFAULT) == 0:
            return warned(
                f"The account's quota of {_DEFAULT} for endpoints is 0. scripts/deploy_model.py uses it by default.",
                f"{REQUEST} (`{ENDPOINT.format(_DEFAULT)}`), or deploy with --instance-type or --serverless.",
            )
        return skipped("The environment's endpoints run no instance.")
    near = [f"{used[kind]} of {limit:g} {kind}" for kind, limit in sorted(limits.items()) if used[kind] >= NEAR * limit]
    if near:
        return warned(
            f"The endpoints of {context.environment.name} nearly use up the account's instances: {', '.join(near)}. "
            "An update takes as many again while it shifts the traffic.",
            f"{REQUEST} (`{ENDPOINT.format('INSTANCE TYPE')}`).",
        )
    unknown = sorted(used.keys() - limits)
    if unknown:
        return skipped(f"Service Quotas names no quota of {', '.join(unknown)}.")
    return passed(", ".join(f"{count} of {limits[kind]:g} {kind}" for kind, count in sorted(used.items())))


def _instances(context: Context) -> Counter[str]:
    """The number of instances of the environment's endpoints, by their type."""
    sagemaker, found = context.client("sagemaker"), Counter[str]()
    for name in (name for name, ours in context.endpoints.items() if ours):
        endpoint = sagemaker.describe_endpoint(EndpointName=name)
        # An endpoint that has failed may have no configuration any more.
        config = find_config(sagemaker, endpoint.get("EndpointConfigName", ""))
        for members in ("ProductionVariants", "ShadowProductionVariants"):
            kinds = {each["VariantName"]: each.get("InstanceType") for each in config.get(members, [])}
            for variant in endpoint.get(members, []):
                kind = kinds.get(variant["VariantName"])
                if kind and variant.get("CurrentInstanceCount"):
                    found[kind] += variant["CurrentInstanceCount"]
    return found


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
