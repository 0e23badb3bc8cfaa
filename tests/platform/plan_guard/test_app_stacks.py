"""The plan guard and MLflow Apps, which CloudFormation stacks contain."""

import json
from typing import Any

import pytest

from mlflow_common.errors import PreconditionError
from mlflow_platform.environment import EnvironmentRef
from mlflow_platform.plan_guard import app_stacks, losses, rules
from mlflow_platform.plan_guard.changes import TerraformPlan
from mlflow_platform.plan_guard.review import review_destroy

ARN = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-ABC"
ROLE = "arn:aws:iam::123456789012:role/mlflow"


def template(*, deletion: str = "RetainExceptOnCreate", parameters: Any = None, **properties: Any) -> str:
    app = {"Name": "churn-app", "RoleArn": ROLE, "ArtifactStoreUri": "s3://artifacts"} | properties
    resource = {"Type": "AWS::SageMaker::MlflowApp", "DeletionPolicy": deletion, "Properties": app}
    return json.dumps({"Parameters": parameters or {}, "Resources": {"App": resource}})


def stack(body: str | None, **values: Any) -> dict[str, Any]:
    return {"name": "churn-stack", "template_body": body, "parameters": None, "outputs": {"Uri": ARN}} | values


def plan(
    actions: list[str], before: Any, after: Any = None, unknown: Any = None, kind: str = app_stacks.STACK
) -> TerraformPlan:
    change = {"actions": actions, "before": before, "after": after, "after_unknown": unknown or {}}
    given = {"address": f"{kind}.app", "mode": "managed", "type": kind, "change": change}
    return TerraformPlan.parse(json.dumps({"planned_values": {}, "resource_changes": [given]}))


def refusal(changed: TerraformPlan) -> str:
    with pytest.raises(PreconditionError) as refused:
        rules.check(changed, set())
    return refused.value.message


@pytest.mark.parametrize("actions", [["delete"], ["delete", "create"], ["create", "delete"]])
def test_the_loss_of_the_stack_must_be_confirmed_by_the_name_of_the_app(actions: list[str]) -> None:
    lost = plan(actions, stack(template()), stack(template()) if len(actions) > 1 else None)
    assert "MLflow App churn-app" in refusal(lost)
    assert refusal(lost).endswith("CONFIRM=churn-app")
    rules.check(lost, {"churn-app"})


@pytest.mark.parametrize(
    ("kind", "before", "what"),
    [
        ("awscc_sagemaker_mlflow_tracking_server", {"tracking_server_name": "one"}, "delete tracking server one"),
        ("awscc_s3_bucket", {"bucket_name": "one"}, "delete bucket one"),
        ("awscc_kms_key", {"key_id": "one", "id": "one"}, "delete key one"),
        ("awscc_sagemaker_domain", {"domain_name": "one"}, "delete Studio domain one"),
        ("awscc_sagemaker_mlflow_app", {"name": "one"}, "delete MLflow App one"),
        (app_stacks.APP_RESOURCE, {}, f"delete MLflow App {app_stacks.APP_RESOURCE}.app"),
        (
            app_stacks.STACK,
            {"name": "one", "template_body": json.dumps({"Resources": {"B": {"Type": "AWS::S3::Bucket"}}})},
            "delete stack (with bucket) one",
        ),
        (
            app_stacks.STACK,
            {"name": "one", "template_body": "Resources:\n  S:\n    Type: AWS::SageMaker::MlflowTrackingServer\n"},
            "delete stack (with tracking server) one",
        ),
    ],
)
def test_the_same_resources_of_other_providers_and_of_stacks_must_be_confirmed(
    kind: str, before: dict[str, Any], what: str
) -> None:
    lost = plan(["delete"], before, kind=kind)
    assert f"the plan would {what}, and" in refusal(lost)
    rules.check(lost, {before.get("name", "one") if before else f"{kind}.app"})


def test_a_destroy_asks_for_what_it_cannot_count() -> None:
    destroyed = plan(["delete"], {"bucket_name": "one"}, kind="awscc_s3_bucket")
    session: Any = None
    asked = review_destroy(destroyed, EnvironmentRef("staging"), set(), session).refusal
    assert asked is not None
    assert "bucket one: what is in there was not counted. To delete it anyway, confirm it with CONFIRM=one" in str(
        asked
    )
    assert review_destroy(destroyed, EnvironmentRef("staging"), {"one"}, session).refusal is None


@pytest.mark.parametrize(
    "resource", [{"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}, {"Type": "AWS::SNS::Topic"}]
)
def test_a_stack_that_loses_nothing_may_be_deleted(resource: dict[str, str]) -> None:
    body = json.dumps({"Resources": {"One": resource}})
    rules.check(plan(["delete"], {"name": "one", "template_body": body}), set())


NAMED = {"Named": {"Type": "String", "Default": "churn-app"}}
REFERRED = template(parameters=NAMED, Name={"Ref": "Named"})
COMPUTED = template(parameters=NAMED, Name={"Fn::Sub": "${Named}"})


@pytest.mark.parametrize(
    ("before", "after", "unknown"),
    [
        (stack(template()), stack(template(Name="other")), {}),
        (stack(template()), stack(template(RoleArn=f"{ROLE}-2")), {}),
        (stack(template()), stack('{"Resources": {"App": {"Type": "AWS::SNS::Topic"}}}'), {}),
        (stack(template()), stack(None), {"template_body": True}),
        (stack(REFERRED), stack(REFERRED, parameters={"Named": "other"}), {}),
        (stack(COMPUTED), stack(COMPUTED, parameters={"Named": "other"}), {}),
        (stack(REFERRED), stack(REFERRED), {"parameters": {"Named": True}}),
        (stack("Type: AWS::SageMaker::MlflowApp\nName: a"), stack("Type: AWS::SageMaker::MlflowApp\nName: b"), {}),
    ],
    ids=["name", "role", "removed", "unknown", "parameter", "computed", "unknown-parameter", "yaml"],
)
def test_a_template_that_replaces_or_removes_the_app_must_be_confirmed(before: Any, after: Any, unknown: Any) -> None:
    assert "replace or remove MLflow App" in refusal(plan(["update"], before, after, unknown))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (stack(template()), stack(template(ModelRegistrationMode="AutoModelRegistrationDisabled"))),
        (stack(template()), stack(template(deletion="Delete"))),
        (stack(template()), stack(template(), tags={"team": "a"})),
        (stack(template()), stack(REFERRED)),
        (stack(REFERRED), stack(REFERRED, parameters={"Named": "churn-app"})),
    ],
    ids=["registration", "deletion-policy", "tags", "default-of-a-parameter", "same-parameter"],
)
def test_accepts_an_update_that_keeps_the_app(before: Any, after: Any) -> None:
    rules.check(plan(["update"], before, after, {"outputs": True}), set())


def test_another_artifact_store_must_be_confirmed() -> None:
    moved = plan(["update"], stack(template()), stack(template(ArtifactStoreUri="s3://others")))
    assert "change the artifact store of MLflow App churn-app from s3://artifacts to s3://others" in refusal(moved)
    rules.check(plan(["update"], stack(template()), stack(template(ArtifactStoreUri="s3://artifacts/"))), set())


def test_a_stack_without_an_app_is_free_to_go() -> None:
    other = stack('{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}')
    rules.check(plan(["delete"], other), set())
    assert losses.servers(plan(["delete"], other)) == []


def test_warns_that_the_stack_policy_refuses_a_replacement_and_that_the_app_outlives_its_stack() -> None:
    policy = json.dumps({"Statement": [{"Effect": "Deny", "Action": ["Update:Replace"]}]})
    changed = plan(["update"], stack(template()), stack(template(Name="other"), policy_body=policy))
    [warning] = rules.warnings(changed)
    assert "the stack policy of churn-stack refuses" in warning
    [warning] = rules.warnings(plan(["delete"], stack(template())))
    assert warning.endswith(f"`aws sagemaker delete-mlflow-app --arn {ARN}`.")
    assert [*rules.warnings(plan(["delete"], stack(template(deletion="Delete"))))] == []


def test_a_destroy_counts_what_is_in_the_app() -> None:
    [change] = losses.servers(plan(["delete"], stack(template())))
    assert (app_stacks.name_of(change.before), app_stacks.arn_of(change.before)) == ("churn-app", ARN)


def test_an_app_of_the_provider_is_guarded_like_one_of_a_stack() -> None:
    values = {"name": "churn-app", "arn": ARN, "artifact_store_uri": "s3://artifacts"}
    replaced = plan(["delete", "create"], values, values, kind=app_stacks.APP_RESOURCE)
    assert "replace MLflow App churn-app" in refusal(replaced)
    assert [app_stacks.arn_of(change.before) for change in losses.servers(replaced)] == [ARN]
    moved = plan(["update"], values, values | {"artifact_store_uri": "s3://b"}, kind=app_stacks.APP_RESOURCE)
    assert "change the artifact store of MLflow App churn-app" in refusal(moved)
