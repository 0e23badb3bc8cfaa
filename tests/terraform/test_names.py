"""Names that all regions of an account share, and paths of roles and policies."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from mlflow_platform.environment import REPOSITORY
from tests.terraform.planning import Planner
from tests.terraform.variations import ACCOUNT

PATH, PREFIX = "/ml/platform/", "euw1-"
OUR_ARN = re.compile(rf'arn:aws:iam::{ACCOUNT}:((?:role|policy)/[^"]+)')
# Roles that the variation names as existing ones, and one that AWS creates.
OTHERS = ("role/ci", "role/aws-service-role/")


def planned(planner: Planner) -> Iterator[tuple[str, dict[str, Any]]]:
    """The type and the values of each planned resource of the variation with a path and a prefix."""
    for change in planner.plan("prefixed")["resource_changes"]:
        if change["mode"] == "managed":
            yield change["type"], change["change"]["after"]


def test_every_role_and_policy_has_the_path_and_the_prefix(planner: Planner) -> None:
    found = [values for kind, values in planned(planner) if kind in ("aws_iam_role", "aws_iam_policy")]
    assert len(found) >= 20
    assert [one["name"] for one in found if one["path"] != PATH or not one["name"].startswith(PREFIX)] == []


def test_what_is_global_beside_roles_and_policies_has_the_prefix(planner: Planner) -> None:
    names = dict(planned(planner))
    assert names["aws_cloudwatch_dashboard"]["dashboard_name"].startswith(PREFIX)
    assert names["aws_budgets_budget"]["name"].startswith(PREFIX)
    delivery = [values["bucket"] for kind, values in planned(planner) if kind == "aws_s3_bucket"]
    assert f"euw1-churn-dev-delivery-{ACCOUNT}" in delivery


def test_monitoring_round_the_clock_and_a_schedule_that_stops_the_server_cause_a_warning(planner: Planner) -> None:
    [warning] = [one for one in planner.plan("prefixed")["warnings"] if "monitoring" in one]
    assert warning.startswith('monitoring.schedule_expression is "cron(15 * * * ? *)", round the clock, and schedule')


def test_policies_name_the_roles_by_their_path_and_prefix(planner: Planner) -> None:
    resources = list(planned(planner))
    roles = {f"role{values['path']}{values['name']}" for kind, values in resources if kind == "aws_iam_role"}
    text = json.dumps([values for _, values in resources]).replace('\\"', '"')
    named = {name for name in OUR_ARN.findall(text) if not name.startswith(OTHERS)}
    assert named
    assert named <= roles


# What CI replaces in the ARN of the role that it assumes, with the output `role_prefix` of the github module.
CI_ROLES = {
    ".github/workflows/plan.yml": {
        "${{ inputs.role-prefix }}": f"{PATH[1:]}{PREFIX}",
        "${{ inputs.project }}": "mlflow",
        "${{ inputs.environment }}": "staging",
    },
    ".gitlab-ci.example.yml": {
        "$ROLE_PREFIX": f"{PATH[1:]}{PREFIX}",
        "$PROJECT": "mlflow",
        "$ENV": "staging",
        "$ROLE": "plan",
    },
}


@pytest.mark.parametrize("file", CI_ROLES)
def test_ci_assumes_the_role_with_its_path_and_prefix(planner: Planner, file: str) -> None:
    plan = planner.plan("github_prefixed")
    roles = [one["change"]["after"] for one in plan["resource_changes"] if one["type"] == "aws_iam_role"]
    [name] = re.findall(r"iam::.+:(role/.+)", (REPOSITORY / file).read_text())
    for written, value in CI_ROLES[file].items():
        name = name.replace(written, value)
    assert name in [f"role{role['path']}{role['name']}" for role in roles]
