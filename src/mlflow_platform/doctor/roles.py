"""Checks of IAM roles and policies against Terraform's state, and of IAM's quotas."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from mlflow_platform.doctor.context import Context
from mlflow_platform.doctor.finding import Verdict, failed, passed, warned
from mlflow_platform.doctor.policies import same_policy

# A quota of which this part is used is nearly used up.
NEAR = 0.9


def roles(context: Context) -> Verdict:
    """Every role exists with the trust, the boundary, the inline and the attached policies that Terraform set."""
    iam, wrong = context.client("iam"), []
    resources = context.deployed.of_type("aws_iam_role")
    for resource in resources:
        name = resource["name"]
        try:
            found = iam.get_role(RoleName=name)["Role"]
        except iam.exceptions.NoSuchEntityException:
            wrong.append(f"the role {name} does not exist")
            continue
        if not same_policy(_text(found["AssumeRolePolicyDocument"]), resource["assume_role_policy"]):
            wrong.append(f"the trust policy of {name} was changed")
        boundary = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
        if boundary != (resource["permissions_boundary"] or ""):
            wrong.append(f"the permissions boundary of {name} is {boundary or 'missing'}")
    for resource in context.deployed.of_type("aws_iam_role_policy"):
        role, name = resource["role"], resource["name"]
        try:
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        except iam.exceptions.NoSuchEntityException:
            wrong.append(f"the policy {name} of role {role} is missing")
            continue
        if not same_policy(_text(document), resource["policy"]):
            wrong.append(f"the policy {name} of role {role} was changed")
    wrong += _detached(context)
    if wrong:
        return failed("; ".join(wrong) + ".", context.apply)
    return passed(f"{len(resources)} roles with the trust and policies that Terraform set")


def policies(context: Context) -> Verdict:
    """Every managed policy exists with the content that Terraform set."""
    iam, wrong = context.client("iam"), []
    resources = context.deployed.of_type("aws_iam_policy")
    for resource in resources:
        arn = resource["arn"]
        try:
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        except iam.exceptions.NoSuchEntityException:
            wrong.append(f"the policy {resource['name']} does not exist")
            continue
        if not same_policy(_text(document), resource["policy"]):
            wrong.append(f"the policy {resource['name']} was changed")
    if wrong:
        return failed("; ".join(wrong) + ".", context.apply)
    return passed(f"{len(resources)} policies as Terraform set them")


def quotas(context: Context) -> Verdict:
    """The account's IAM quotas are not nearly used up (GetAccountSummary counts what each quota limits)."""
    summary: dict[str, int] = context.client("iam").get_account_summary()["SummaryMap"]
    near = [
        f"{name} {summary[name]} of {limit}"
        for name in ("Roles", "Policies", "InstanceProfiles")
        if (limit := summary.get(f"{name}Quota")) and summary.get(name, 0) >= NEAR * limit
    ]
    if near:
        return warned(
            f"IAM quotas are nearly used up: {', '.join(near)}.",
            "Delete what is unused, or request an increase in the Service Quotas console.",
        )
    return passed(f"IAM: {summary.get('Roles', 0)} roles, {summary.get('Policies', 0)} policies, far from the quotas")


def _detached(context: Context) -> list[str]:
    """The policies that Terraform attached to a role, and that are attached no longer."""
    iam, wrong = context.client("iam"), []
    wanted: dict[str, set[str]] = {}
    for resource in context.deployed.of_type("aws_iam_role_policy_attachment"):
        wanted.setdefault(resource["role"], set()).add(resource["policy_arn"])
    for role, arns in wanted.items():
        try:
            pages = list(iam.get_paginator("list_attached_role_policies").paginate(RoleName=role))
        except iam.exceptions.NoSuchEntityException:
            wrong.append(f"the role {role}, which has policies, does not exist")
            continue
        attached = {one["PolicyArn"] for page in pages for one in page["AttachedPolicies"]}
        wrong += [f"the policy {arn} is not attached to role {role}" for arn in sorted(arns - attached)]
    return wrong


def _text(document: Any) -> str:
    """A policy document that boto3 has decoded, or has left encoded, as JSON text."""
    return unquote(document) if isinstance(document, str) else json.dumps(document)
