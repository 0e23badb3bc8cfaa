"""Deploying: what is done in each state of an endpoint, and that a failure leaves things as they were."""

import time
from dataclasses import replace
from typing import Any

import pytest

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.endpoints import deployment as endpoint
from mlflow_platform.endpoints.resources import Belongings, Clients, find
from mlflow_platform.endpoints.specification import Plan, archive_uri
from mlflow_platform.environment import Environment
from tests.platform.conftest import FakeClock
from tests.platform.endpoints.fleet import GONE, Fleet, Step, error

NAME = "mlflow-staging-iris"
OLD = f"{NAME}-0000000000"
CHANGES = {"CreateEndpoint", "UpdateEndpoint", "DeleteEndpoint", "AddTags", "DeleteTags"}


@pytest.fixture
def plan(environment: Environment) -> Plan:
    return plan_of(environment, "1")


def plan_of(environment: Environment, version: str, *, digest: str = "") -> Plan:
    return Plan(
        endpoint=NAME,
        archive_uri=archive_uri(environment, NAME, digest or version * 64),
        image="123456789012.dkr.ecr.us-east-1.amazonaws.com/mlflow-pyfunc:3.17.2",
        role=environment.endpoint_role,
        instance_type="ml.m5.large",
        instance_count=1,
        tags=environment.tags | {"model-uri": f"models:/iris/{version}", "model-version": version, "run-id": "r1"},
    )


@pytest.fixture
def deploy(clients: Clients, environment: Environment, clock: FakeClock, said: list[str], fleet: Fleet) -> Any:
    """Upload the plan's archive, as the script does, and deploy the plan."""

    def do(plan: Plan) -> str:
        bucket, key = plan.archive_uri.removeprefix("s3://").split("/", 1)
        clients.s3.put_object(Bucket=bucket, Key=key, Body=b"archive")
        return endpoint.deploy(clients, environment, plan, progress=said.append, clock=clock)

    return do


@pytest.fixture
def left(clients: Clients, environment: Environment) -> Any:
    """What belongs to the endpoint now."""
    return lambda: find(clients, environment, NAME)


def everything_of(*plans: Plan) -> Belongings:
    return Belongings(
        frozenset(plan.config_name for plan in plans),
        frozenset(plan.model_name for plan in plans),
        frozenset(plan.archive_uri for plan in plans),
    )


def test_a_new_endpoint_is_created_and_tagged(
    deploy: Any, plan: Plan, fleet: Fleet, clients: Clients, left: Any
) -> None:
    assert deploy(plan) == "created"
    assert left() == everything_of(plan)
    assert fleet.tags == plan.tags
    model = clients.sagemaker.describe_model(ModelName=plan.model_name)
    assert model["PrimaryContainer"]["Image"] == plan.image
    assert model["PrimaryContainer"]["ModelDataUrl"] == plan.archive_uri
    assert model["ExecutionRoleArn"] == plan.role
    config = clients.sagemaker.describe_endpoint_config(EndpointConfigName=plan.config_name)
    assert config["ProductionVariants"][0]["InstanceType"] == "ml.m5.large"


def test_progress_names_each_state_once(deploy: Any, plan: Plan, fleet: Fleet, said: list[str]) -> None:
    fleet.after_create = ("Creating", "Creating", "Creating", "InService")
    deploy(plan)
    assert said == [f"creating the endpoint {NAME}", f"endpoint {NAME}: Creating", f"endpoint {NAME}: InService"]


def test_the_same_plan_again_changes_nothing(deploy: Any, plan: Plan, fleet: Fleet, left: Any) -> None:
    deploy(plan)
    fleet.calls.clear()
    assert deploy(plan) == "unchanged"
    assert set(fleet.calls) == {"DescribeEndpoint", "ListTags"}
    assert left() == everything_of(plan)


def test_another_model_is_an_update_with_a_blue_green_policy(
    deploy: Any, plan: Plan, fleet: Fleet, environment: Environment
) -> None:
    deploy(plan)
    second = plan_of(environment, "2")
    assert deploy(second) == "updated"
    (update,) = fleet.updates
    assert update["EndpointConfigName"] == second.config_name
    assert update["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"
    assert fleet.tags == second.tags


def test_a_tag_that_no_longer_applies_is_removed(
    deploy: Any, plan: Plan, fleet: Fleet, environment: Environment
) -> None:
    deploy(plan)
    second = plan_of(environment, "2")
    second = replace(second, tags={key: value for key, value in second.tags.items() if key != "run-id"})
    deploy(second)
    assert fleet.tags == second.tags


def test_what_served_before_is_kept_and_what_is_older_removed(deploy: Any, environment: Environment, left: Any) -> None:
    first, second, third = (plan_of(environment, version) for version in "123")
    deploy(first)
    deploy(second)
    assert left() == everything_of(first, second)
    deploy(third)
    assert left() == everything_of(second, third)


def test_going_back_needs_nothing_new(deploy: Any, environment: Environment, left: Any, fleet: Fleet) -> None:
    first, second = plan_of(environment, "1"), plan_of(environment, "2")
    deploy(first)
    deploy(second)
    assert deploy(first) == "updated"
    assert fleet.config == first.config_name
    assert left() == everything_of(first, second)


def test_a_failed_creation_leaves_nothing(deploy: Any, plan: Plan, fleet: Fleet, left: Any) -> None:
    fleet.after_create, fleet.reason = (
        ("Creating", "Failed"),
        "The primary container did not pass the ping health check.",
    )
    with pytest.raises(PlatformError, match=r"did not pass the ping health check.*has been removed") as failed:
        deploy(plan)
    assert failed.value.status == 1
    assert not left()
    assert [call for call in fleet.calls if call in CHANGES] == ["CreateEndpoint", "DeleteEndpoint"]


@pytest.mark.parametrize("way", [("Updating", "FAILED_BACK"), ("Updating", "RollingBack", "FAILED_BACK")])
@pytest.mark.parametrize("reason", ["", "The primary container did not pass the ping health check."])
def test_a_failed_update_leaves_what_served_before(
    deploy: Any, environment: Environment, fleet: Fleet, left: Any, way: tuple[str, ...], reason: str
) -> None:
    first, second, third = (plan_of(environment, version) for version in "123")
    deploy(first)
    deploy(second)
    fleet.after_update, fleet.reason = way, reason
    with pytest.raises(PlatformError, match="what served before goes on serving"):
        deploy(third)
    assert fleet.config == second.config_name
    assert fleet.tags == second.tags
    assert left() == everything_of(first, second)
    assert "DeleteEndpoint" not in fleet.calls


def test_an_update_that_shows_late_is_not_taken_for_a_failure(
    deploy: Any, environment: Environment, fleet: Fleet, plan: Plan
) -> None:
    deploy(plan)
    fleet.after_update = ("UNCHANGED", "UNCHANGED", "Updating", "InService")
    assert deploy(plan_of(environment, "2")) == "updated"


def test_the_reason_is_the_end_of_the_new_container_s_log(
    deploy: Any, environment: Environment, fleet: Fleet, clients: Clients, plan: Plan
) -> None:
    logs, group = clients.logs, f"/aws/sagemaker/Endpoints/{NAME}"
    logs.create_log_group(logGroupName=group)
    write(logs, group, "AllTraffic/i-old", "ValueError: of the container that serves")
    deploy(plan)
    fleet.after_update = ("Updating", "FAILED_BACK")
    fleet.reason = "did not pass the ping health check"

    def container_starts(**_: Any) -> None:
        write(logs, group, "AllTraffic/i-new", "Traceback", "ModuleNotFoundError: No module named 'xgboost'")

    clients.sagemaker.meta.events.register_first("before-call.sagemaker.UpdateEndpoint", container_starts)
    with pytest.raises(PlatformError, match="ModuleNotFoundError: No module named 'xgboost'") as failed:
        deploy(plan_of(environment, "2"))
    assert failed.value.details == (
        f"log of {group}:",
        "Traceback",
        "ModuleNotFoundError: No module named 'xgboost'",
    )


def test_an_endpoint_that_has_failed_is_made_anew(
    deploy: Any, plan: Plan, fleet: Fleet, environment: Environment
) -> None:
    fleet.serve(NAME, Step("Failed", OLD, "earlier"), tags=environment.tags)
    assert deploy(plan) == "created"
    assert [call for call in fleet.calls if call in CHANGES] == ["DeleteEndpoint", "CreateEndpoint"]


@pytest.mark.parametrize("status", ["Updating", "SystemUpdating", "RollingBack", "Creating"])
def test_an_endpoint_on_its_way_is_waited_for(
    deploy: Any, plan: Plan, fleet: Fleet, environment: Environment, status: str, clock: FakeClock
) -> None:
    steps = Step(status, OLD), Step(status, OLD), Step("InService", OLD)
    fleet.serve(NAME, *steps, tags=environment.tags)
    assert deploy(plan) == "updated"
    assert clock.slept > 0


def test_one_that_is_being_deleted_is_waited_for_and_made_anew(
    deploy: Any, plan: Plan, fleet: Fleet, environment: Environment
) -> None:
    fleet.serve(NAME, Step("Deleting", OLD), GONE, tags=environment.tags)
    assert deploy(plan) == "created"


def test_an_interrupted_deployment_of_the_same_model_is_taken_up(
    deploy: Any, plan: Plan, fleet: Fleet, environment: Environment
) -> None:
    fleet.serve(NAME, Step("Creating", plan.config_name), Step("InService", plan.config_name), tags=plan.tags)
    assert deploy(plan) == "unchanged"
    assert set(fleet.calls) == {"DescribeEndpoint", "ListTags"}


@pytest.mark.parametrize("tags", [{}, {"project": "mlflow", "environment": "prod"}])
def test_somebody_else_s_endpoint_is_left_alone(
    deploy: Any,
    plan: Plan,
    fleet: Fleet,
    tags: dict[str, str],
    clients: Clients,
    environment: Environment,
    clock: FakeClock,
) -> None:
    fleet.serve(NAME, Step("InService", "theirs"), tags=tags)
    with pytest.raises(PreconditionError, match="was not made for staging"):
        deploy(plan)
    with pytest.raises(PreconditionError, match="was not made for staging"):
        endpoint.delete(clients, environment, NAME, progress=str, clock=clock)
    assert set(fleet.calls) == {"DescribeEndpoint", "ListTags"}


@pytest.mark.parametrize(
    ("message", "kind", "complaint"),
    [
        ("Requested image 1.dkr.ecr/x:1 not found.", PreconditionError, "push one with.*or give --image-uri"),
        ("Value 'ml.foo' at 'productionVariants.1.member.instanceType' failed", InputError, "no instance type ml.m5"),
        ("Something else is wrong.", PlatformError, "CreateEndpoint failed .ValidationException.: Something else"),
    ],
)
def test_what_aws_refuses_is_explained_and_removed(
    deploy: Any, plan: Plan, fleet: Fleet, left: Any, message: str, kind: type[PlatformError], complaint: str
) -> None:
    fleet.refuse("CreateEndpoint", ("ValidationException", message))
    with pytest.raises(kind, match=complaint):
        deploy(plan)
    assert not left()


def test_a_used_up_quota_is_named(deploy: Any, plan: Plan, fleet: Fleet) -> None:
    fleet.refuse("CreateEndpoint", ("ResourceLimitExceeded", "ml.m5.large for endpoint usage is 0 Instances."))
    with pytest.raises(PlatformError, match="quota is used up: ml"):
        deploy(plan)


def test_what_aws_does_not_find_at_once_is_asked_for_again(
    deploy: Any, plan: Plan, fleet: Fleet, clock: FakeClock
) -> None:
    fleet.refuse("CreateEndpoint", *[("ValidationException", 'Could not find endpoint configuration "x".')] * 2)
    assert deploy(plan) == "created"
    assert clock.slept >= 4


def test_waiting_ends_after_an_hour_and_says_how_to_go_on(
    deploy: Any, plan: Plan, fleet: Fleet, clock: FakeClock
) -> None:
    fleet.after_create = ("Creating",)
    with pytest.raises(PlatformError, match=r"Creating after 60 min.*run the same command again"):
        deploy(plan)
    assert 3600 <= clock.slept < 3700


def test_deleting_removes_all_there_is_and_nothing_of_a_neighbour(
    deploy: Any,
    environment: Environment,
    clients: Clients,
    clock: FakeClock,
    left: Any,
    fleet: Fleet,
) -> None:
    first, second = plan_of(environment, "1"), plan_of(environment, "2")
    deploy(first)
    deploy(second)
    neighbour = replace(first, endpoint=f"{NAME}-2")
    clients.sagemaker.create_model(
        ModelName=neighbour.model_name, ExecutionRoleArn=first.role, PrimaryContainer={"Image": "x"}
    )
    clients.s3.put_object(Bucket=environment.bucket, Key=f"endpoints/{NAME}-2/1/model.tar.gz", Body=b"x")
    removed = endpoint.delete(clients, environment, NAME, progress=str, clock=clock)
    assert removed == endpoint.Removed(True, everything_of(first, second))
    assert not left()
    assert find(clients, environment, f"{NAME}-2").models == {neighbour.model_name}
    assert len(find(clients, environment, f"{NAME}-2").archives) == 1
    assert endpoint.delete(clients, environment, NAME, progress=str, clock=clock) == endpoint.Removed(
        False, Belongings()
    )


def test_configurations_that_share_a_model_keep_it(deploy: Any, plan: Plan, fleet: Fleet, left: Any) -> None:
    larger = replace(plan, instance_count=2)
    deploy(plan)
    fleet.after_update = ("Updating", "FAILED_BACK")
    with pytest.raises(PlatformError):
        deploy(larger)
    assert left() == everything_of(plan)


def test_tidying_up_that_is_not_allowed_is_said_and_does_not_hide_the_outcome(
    deploy: Any, environment: Environment, clients: Clients, said: list[str]
) -> None:
    deploy(plan_of(environment, "1"))
    deploy(plan_of(environment, "2"))
    clients.sagemaker.meta.events.register(
        "before-call.sagemaker.DeleteEndpointConfig", lambda **_: error("AccessDeniedException", "not yours")
    )
    assert deploy(plan_of(environment, "3")) == "updated"
    assert "could not tidy up: not yours" in said


def write(logs: Any, group: str, stream: str, *lines: str) -> None:
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": line} for number, line in enumerate(lines)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
