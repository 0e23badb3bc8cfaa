"""Roles that may not delete tracking servers, an App and its stack."""

import json
from collections.abc import Iterator

import pytest

from localaws.iam.evaluate import Policies, evaluate
from localaws.iam.policy import Policy
from localaws.iam.request import Principal, Request
from tests.policy.guards import mutants
from tests.policy.judging import EVERYTHING
from tests.policy.rendered import Document
from tests.policy.scenarios import ACCOUNT, REGION
from tests.terraform.planning import Planner

SERVER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-tracking-server"
APP = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-app/app-ABCDEFGHIJKL"
STACK = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack"
DELETE, DELETE_STACK = "sagemaker:DeleteMlflowTrackingServer", "cloudformation:DeleteStack"
DELETE_APP = "sagemaker:DeleteMlflowApp"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/terraform"

Tags = dict[str, str]
OURS = {"project": "churn", "environment": "dev"}

DENIED: tuple[tuple[str, str, Tags], ...] = (
    (DELETE, f"{SERVER}/churn-dev-3-0", {}),
    (DELETE, f"{SERVER}/churn-dev-2-16", {}),
    (DELETE, f"{SERVER}/by-hand", {}),
    (DELETE_STACK, f"{STACK}/churn-dev-app-stack/11111111-2222-3333-4444-555555555555", {}),
    (DELETE_APP, APP, OURS),
    # Such as one that was made by hand, or where AWS does not evaluate tags.
    (DELETE_APP, APP, {}),
)
ALLOWED: tuple[tuple[str, str, Tags], ...] = (
    (DELETE, f"{SERVER}/churn-prod-3-0", {}),
    (DELETE_STACK, f"{STACK}/churn-dev-other/11111111-2222-3333-4444-555555555555", {}),
    ("sagemaker:UpdateMlflowTrackingServer", f"{SERVER}/churn-dev-3-0", {}),
    ("sagemaker:StopMlflowTrackingServer", f"{SERVER}/churn-dev-3-0", {}),
    ("cloudformation:UpdateStack", f"{STACK}/churn-dev-app-stack/11111111-2222-3333-4444-555555555555", {}),
    (DELETE_APP, APP, OURS | {"environment": "prod"}),
    (DELETE_APP, APP, OURS | {"project": "fraud"}),
    ("sagemaker:UpdateMlflowApp", APP, OURS),
)


@pytest.fixture(scope="module")
def policy(planner: Planner) -> Document:
    [found] = [
        json.loads(change["change"]["after"]["policy"])
        for change in planner.plan("keyed")["resource_changes"]
        if change["address"].endswith("aws_iam_policy.deletion_protection[0]")
    ]
    document: Document = found
    return document


def wrong(policy: Document) -> Iterator[tuple[str, str]]:
    """The requests of a role that may do everything else, for which the decision differs from the expectation."""
    for asks, expected in ((DENIED, False), (ALLOWED, True)):
        for action, resource, tags in asks:
            policies = Policies(identity=(Policy.parse("all", EVERYTHING), Policy.parse("protection", policy)))
            context = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
            if evaluate(Request(Principal(ROLE), action, resource, ACCOUNT, context), policies).allowed != expected:
                yield action, resource


def test_denies_the_deletion_of_the_environments_servers_app_and_stack_only(policy: Document) -> None:
    assert list(wrong(policy)) == []


def test_no_part_of_the_protection_is_superfluous(policy: Document) -> None:
    assert [name for name, mutant in mutants(policy) if not any(wrong(mutant))] == []


def test_a_permission_set_gets_the_same_policy_from_an_output(planner: Planner, policy: Document) -> None:
    assert json.loads(planner.plan("keyed")["output_changes"]["deletion_protection_policy"]["after"]) == policy
    # Also where no role is named, so that there is no policy to reference.
    assert planner.plan("app")["output_changes"]["deletion_protection_policy"]["after"]


def test_the_servers_are_deleted_before_the_protection_is_removed(planner: Planner) -> None:
    plan = planner.plan("keyed")
    attached = [one for one in plan["resource_changes"] if one["type"] == "aws_iam_role_policy_attachment"]
    [protection] = [one for one in attached if "deletion_protection" in one["address"]]
    assert protection["change"]["after"]["role"] == "terraform"
    mlflow = plan["configuration"]["root_module"]["module_calls"]["platform"]["module"]["module_calls"]["mlflow"]
    for resource in mlflow["module"]["resources"]:
        if resource["type"] in ("aws_sagemaker_mlflow_tracking_server", "aws_cloudformation_stack"):
            assert "aws_iam_role_policy_attachment.deletion_protection" in resource["depends_on"]
