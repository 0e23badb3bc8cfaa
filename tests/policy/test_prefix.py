"""In a shared bucket, no policy allows listing names outside the prefix."""

import json
from typing import Any

import pytest

from localaws.iam.evaluate import Policies, evaluate
from localaws.iam.moto_policy_store import parsed
from localaws.iam.request import Principal, Request
from tests.policy.demo_calls import recorded
from tests.policy.judging import USUAL
from tests.policy.rendered import rendered
from tests.policy.scenarios import ACCOUNT, REGION
from tests.terraform.planning import Planner

BUCKET = "arn:aws:s3:::data-lake"
WITHIN = ("mlflow/churn/", "mlflow/churn/1/artifacts/", "mlflow/churn/no-such-object")
BESIDE = (None, "", "mlflow/", "mlflow/churn", "mlflow/churn-2/")
LISTS = {
    "role churn-dev-mlflow-role/MLflowBasicAccess": ["s3:ListBucket"],
    "role churn-dev-endpoint-role/EndpointAccess": ["s3:ListBucket"],
    "role churn-dev-mlflow-backup-role/MLflowBackup": ["s3:ListBucket"],
    "policy churn-dev-mlflow-reader-artifacts": ["s3:ListBucket"],
    "policy churn-dev-mlflow-writer-artifacts": ["s3:ListBucket"],
    "policy churn-dev-mlflow-admin-artifacts": ["s3:ListBucket", "s3:ListBucketVersions"],
}


@pytest.fixture(scope="module")
def policies(planner: Planner) -> dict[str, dict[str, Any]]:
    plan = dict(planner.plan("existing_bucket"))
    return rendered(plan, account=ACCOUNT, region=REGION).documents()


def allows(document: dict[str, Any], action: str, prefix: str | None = None) -> bool:
    context = USUAL if prefix is None else USUAL | {"s3:prefix": prefix}
    request = Request(Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/a/now"), action, BUCKET, ACCOUNT, dict(context))
    return evaluate(request, Policies(identity=(parsed("policy", json.dumps(document)),))).allowed


def test_covers_every_policy_that_allows_listing(policies: dict[str, dict[str, Any]]) -> None:
    assert {name for name, document in policies.items() if "s3:List" in json.dumps(document)} == set(LISTS)


@pytest.mark.parametrize("name", LISTS)
def test_only_the_prefix_can_be_listed_and_the_bucket_can_be_located(
    policies: dict[str, dict[str, Any]], name: str
) -> None:
    for action in LISTS[name]:
        assert [prefix for prefix in WITHIN if not allows(policies[name], action, prefix)] == []
        assert [prefix for prefix in BESIDE if allows(policies[name], action, prefix)] == []
    assert allows(policies[name], "s3:GetBucketLocation")


def test_every_recorded_list_call_has_a_prefix() -> None:
    listed = {
        (who, dict(context).get("s3:prefix", ""))
        for who, asks in recorded().items()
        for action, _, context in asks
        if action.startswith("s3:List")
    }
    assert len(listed) >= 10
    assert [who for who, prefix in sorted(listed) if "/" not in prefix] == []
