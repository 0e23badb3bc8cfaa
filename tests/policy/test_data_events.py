"""The trail of data events: what it records, and what the owner of its bucket must allow."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from localaws.iam.evaluate import Policies, evaluate
from localaws.iam.policy import Policy
from localaws.iam.request import Principal, Request
from localaws.services.cloudtrail import problems_of
from tests.policy.guards import mutants
from tests.policy.rendered import Document
from tests.policy.scenarios import ACCOUNT, REGION
from tests.terraform.planning import Planner

BUCKET = "arn:aws:s3:::acme-trails"
LOGS = f"{BUCKET}/mlflow/dev/AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/11/29/events.json.gz"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/churn-dev-mlflow-data-events"
OWNER = {"s3:x-amz-acl": "bucket-owner-full-control"}
SERVICE = "cloudtrail.amazonaws.com"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/somebody"

# Caller, action, resource and condition keys.
Ask = tuple[str, str, str, dict[str, str]]
PASSES: tuple[Ask, ...] = (
    (SERVICE, "s3:GetBucketAcl", BUCKET, {"aws:SourceArn": TRAIL}),
    (SERVICE, "s3:PutObject", LOGS, {"aws:SourceArn": TRAIL, **OWNER}),
)
STOPS: tuple[Ask, ...] = (
    (SERVICE, "s3:GetBucketAcl", BUCKET, {"aws:SourceArn": f"{TRAIL}-other"}),
    (SERVICE, "s3:GetBucketAcl", f"{BUCKET}-other", {"aws:SourceArn": TRAIL}),
    (SERVICE, "s3:PutObject", LOGS, {"aws:SourceArn": f"{TRAIL}-other", **OWNER}),
    (SERVICE, "s3:PutObject", LOGS, {"aws:SourceArn": TRAIL}),
    (SERVICE, "s3:PutObject", f"{BUCKET}/elsewhere", {"aws:SourceArn": TRAIL, **OWNER}),
    (SERVICE, "s3:GetObject", LOGS, {"aws:SourceArn": TRAIL, **OWNER}),
    ("config.amazonaws.com", "s3:PutObject", LOGS, {"aws:SourceArn": TRAIL, **OWNER}),
)


@pytest.fixture(scope="module")
def policy(planner: Planner) -> Document:
    found: Document = json.loads(planner.plan("keyed")["output_changes"]["data_events_bucket_policy"]["after"])
    return found


def wrong(policy: Document) -> Iterator[Ask]:
    for asks, expected in ((PASSES, True), (STOPS, False)):
        for ask in asks:
            caller, action, resource, context = ask
            request = Request(Principal(caller), action, resource, ACCOUNT, context)
            if evaluate(request, Policies(resource=Policy.parse("bucket", policy))).allowed != expected:
                yield ask


def test_the_bucket_policy_lets_only_this_trail_write_its_logs(policy: Document) -> None:
    assert list(wrong(policy)) == []


def test_no_part_of_the_bucket_policy_is_superfluous(policy: Document) -> None:
    changed = dict(mutants(policy))
    assert len(changed) > len(policy["Statement"])
    assert [name for name, mutant in changed.items() if not any(wrong(mutant))] == []


def trail(planner: Planner, variation: str) -> dict[str, Any]:
    [found] = [
        change["change"]["after"]
        for change in planner.plan(variation)["resource_changes"]
        if change["type"] == "aws_cloudtrail"
    ]
    return dict(found)


def selectors(given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The conditions of each selector by its field, by the selector's name."""
    operators = {"equals": "Equals", "starts_with": "StartsWith"}
    return {
        one["name"]: {
            field["field"]: {operators[name]: field[name] for name in operators if field[name]}
            for field in one["field_selector"]
        }
        for one in given["advanced_event_selector"]
    }


def test_the_trail_records_changes_of_the_artifacts_and_of_the_servers_and_nothing_else(planner: Planner) -> None:
    found = selectors(trail(planner, "keyed"))
    assert found == {
        "Artifacts": {
            "eventCategory": {"Equals": ["Data"]},
            "resources.type": {"Equals": ["AWS::S3::Object"]},
            "resources.ARN": {"StartsWith": ["arn:aws:s3:::churn-dev-mlflow-artifacts-keyed/"]},
            "readOnly": {"Equals": ["false"]},
        },
        "Tracking servers": {
            "eventCategory": {"Equals": ["Data"]},
            "resources.type": {"Equals": ["AWS::SageMaker::MlflowTrackingServer"]},
            "resources.ARN": {"Equals": [f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-tracking-server/churn-dev-3-0"]},
            "readOnly": {"Equals": ["false"]},
        },
    }
    given = [
        {"FieldSelectors": [{"Field": name, **condition} for name, condition in fields.items()]}
        for fields in found.values()
    ]
    assert list(problems_of(given)) == []


def test_with_reads_the_trail_records_all_and_of_an_app_only_the_artifacts(planner: Planner) -> None:
    [(name, fields)] = selectors(trail(planner, "app")).items()
    assert (name, "readOnly" in fields) == ("Artifacts", False)
