"""Names that all regions of an account share, and paths of roles and policies."""

import json
import re
from collections.abc import Iterator
from typing import Any

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


def test_policies_name_the_roles_by_their_path_and_prefix(planner: Planner) -> None:
    resources = list(planned(planner))
    roles = {f"role{values['path']}{values['name']}" for kind, values in resources if kind == "aws_iam_role"}
    text = json.dumps([values for _, values in resources]).replace('\\"', '"')
    named = {name for name in OUR_ARN.findall(text) if not name.startswith(OTHERS)}
    assert named
    assert named <= roles
