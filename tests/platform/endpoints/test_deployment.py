"""Deploying: what happens in each state of an endpoint, and that a failure changes nothing."""

import time
from dataclasses import replace
from typing import Any

import pytest

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.endpoints.creation import as_list, ensure_resources
from mlflow_platform.endpoints.deployment import Deployer
from mlflow_platform.endpoints.hosting import Serverless
from mlflow_platform.endpoints.removal import Removed
from mlflow_platform.endpoints.resources import Clients, EndpointResources, find_resources
from mlflow_platform.endpoints.specification import EndpointSpec
from mlflow_platform.endpoints.state import read_tags
from mlflow_platform.environment import Environment
from tests.platform.conftest import FakeClock
from tests.platform.endpoints.deployed import CHANGES, NAME, OLD, everything_of, named, spec_of
from tests.platform.endpoints.fleet import GONE, Fleet, Step, error


def test_creates_and_tags_a_new_endpoint(
    deploy: Any, spec: EndpointSpec, fleet: Fleet, clients: Clients, left: Any
) -> None:
    assert deploy(spec) == "created"
    assert left() == everything_of(spec)
    assert fleet.tags == spec.tags
    model = clients.sagemaker.describe_model(ModelName=spec.model_name)
    assert model["PrimaryContainer"]["Image"] == spec.image
    assert model["PrimaryContainer"]["ModelDataUrl"] == spec.archive_uri
    assert model["ExecutionRoleArn"] == spec.role
    config = clients.sagemaker.describe_endpoint_config(EndpointConfigName=spec.config_name)
    assert config["ProductionVariants"][0]["InstanceType"] == "ml.m5.large"


def test_progress_reports_each_state_once(deploy: Any, spec: EndpointSpec, fleet: Fleet, messages: list[str]) -> None:
    fleet.after_create = ("Creating", "Creating", "Creating", "InService")
    deploy(spec)
    assert messages == [f"creating the endpoint {NAME}", f"endpoint {NAME}: Creating", f"endpoint {NAME}: InService"]


def test_deploying_the_same_specification_again_changes_nothing(
    deploy: Any, spec: EndpointSpec, fleet: Fleet, left: Any
) -> None:
    deploy(spec)
    fleet.calls.clear()
    assert deploy(spec) == "unchanged"
    assert set(fleet.calls) == {"DescribeEndpoint", "ListTags"}
    assert left() == everything_of(spec)


def test_another_version_with_the_same_files_is_named(
    deploy: Any, spec: EndpointSpec, environment: Environment, clients: Clients, fleet: Fleet
) -> None:
    deploy(spec)
    again = replace(spec, tags=spec_of(environment, "2").tags)
    assert deploy(again) == "unchanged"
    assert fleet.tags == again.tags
    model = clients.sagemaker.describe_model(ModelName=spec.model_name)["ModelArn"]
    config = clients.sagemaker.describe_endpoint_config(EndpointConfigName=spec.config_name)["EndpointConfigArn"]
    assert read_tags(clients.sagemaker, model) == read_tags(clients.sagemaker, config) == again.tags


def test_another_version_updates_the_endpoint_with_a_blue_green_policy(
    deploy: Any, spec: EndpointSpec, fleet: Fleet, environment: Environment
) -> None:
    deploy(spec)
    second = spec_of(environment, "2")
    assert deploy(second) == "updated"
    (update,) = fleet.updates
    assert update["EndpointConfigName"] == second.config_name
    assert update["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"
    assert fleet.tags == second.tags


def test_removes_a_tag_that_no_longer_applies(
    deploy: Any, spec: EndpointSpec, fleet: Fleet, environment: Environment
) -> None:
    deploy(spec)
    second = spec_of(environment, "2")
    second = replace(second, tags={key: value for key, value in second.tags.items() if key != "run-id"})
    deploy(second)
    assert fleet.tags == second.tags


def test_keeps_the_previous_configuration_and_removes_older_ones(
    deploy: Any, environment: Environment, left: Any
) -> None:
    first, second, third = (spec_of(environment, version) for version in "123")
    deploy(first)
    deploy(second)
    assert left() == everything_of(first, second)
    deploy(third)
    assert left() == everything_of(second, third)


def test_deploying_the_previous_version_reuses_its_resources(
    deploy: Any, environment: Environment, left: Any, fleet: Fleet
) -> None:
    first, second = spec_of(environment, "1"), spec_of(environment, "2")
    deploy(first)
    deploy(second)
    assert deploy(first) == "updated"
    assert fleet.config == first.config_name
    assert left() == everything_of(first, second)


def test_a_failed_creation_leaves_no_resources(deploy: Any, spec: EndpointSpec, fleet: Fleet, left: Any) -> None:
    fleet.after_create, fleet.reason = (
        ("Creating", "Failed"),
        "The primary container did not pass the ping health check.",
    )
    with pytest.raises(PlatformError, match=r"did not pass the ping health check.*has been removed") as failed:
        deploy(spec)
    assert failed.value.status == 1
    assert not left()
    assert [call for call in fleet.calls if call in CHANGES] == ["CreateEndpoint", "DeleteEndpoint"]


@pytest.mark.parametrize("way", [("Updating", "FAILED_BACK"), ("Updating", "RollingBack", "FAILED_BACK")])
@pytest.mark.parametrize("reason", ["", "The primary container did not pass the ping health check."])
def test_a_failed_update_keeps_the_previous_model(
    deploy: Any, environment: Environment, fleet: Fleet, left: Any, way: tuple[str, ...], reason: str
) -> None:
    first, second, third = (spec_of(environment, version) for version in "123")
    deploy(first)
    deploy(second)
    fleet.after_update, fleet.reason = way, reason
    with pytest.raises(PlatformError, match="The previous model continues to serve"):
        deploy(third)
    assert fleet.config == second.config_name
    assert fleet.tags == second.tags
    assert left() == everything_of(first, second)
    assert "DeleteEndpoint" not in fleet.calls


def test_an_update_that_becomes_visible_late_is_not_a_failure(
    deploy: Any, environment: Environment, fleet: Fleet, spec: EndpointSpec
) -> None:
    deploy(spec)
    fleet.after_update = ("UNCHANGED", "UNCHANGED", "Updating", "InService")
    assert deploy(spec_of(environment, "2")) == "updated"


def test_the_failure_reason_is_the_end_of_the_new_containers_log(
    deploy: Any, environment: Environment, fleet: Fleet, clients: Clients, spec: EndpointSpec
) -> None:
    logs, group = clients.logs, f"/aws/sagemaker/Endpoints/{NAME}"
    logs.create_log_group(logGroupName=group)
    write(logs, group, "AllTraffic/i-old", "ValueError: of the container that serves")
    deploy(spec)
    fleet.after_update = ("Updating", "FAILED_BACK")
    fleet.reason = "did not pass the ping health check"

    def container_starts(**_: Any) -> None:
        write(logs, group, "AllTraffic/i-new", "Traceback", "ModuleNotFoundError: No module named 'xgboost'")

    clients.sagemaker.meta.events.register_first("before-call.sagemaker.UpdateEndpoint", container_starts)
    with pytest.raises(PlatformError, match="ModuleNotFoundError: No module named 'xgboost'") as failed:
        deploy(spec_of(environment, "2"))
    assert failed.value.details == (
        f"log of {group}:",
        "Traceback",
        "ModuleNotFoundError: No module named 'xgboost'",
    )


def test_replaces_a_failed_endpoint(deploy: Any, spec: EndpointSpec, fleet: Fleet, environment: Environment) -> None:
    fleet.serve(NAME, Step("Failed", OLD, "earlier"), tags=environment.tags)
    assert deploy(spec) == "created"
    assert [call for call in fleet.calls if call in CHANGES] == ["DeleteEndpoint", "CreateEndpoint"]


@pytest.mark.parametrize("status", ["Updating", "SystemUpdating", "RollingBack", "Creating"])
def test_waits_for_an_endpoint_that_is_changing(
    deploy: Any, spec: EndpointSpec, fleet: Fleet, environment: Environment, status: str, clock: FakeClock
) -> None:
    steps = Step(status, OLD), Step(status, OLD), Step("InService", OLD)
    fleet.serve(NAME, *steps, tags=environment.tags)
    assert deploy(spec) == "updated"
    assert clock.slept > 0


def test_waits_for_a_deletion_and_creates_the_endpoint_again(
    deploy: Any, spec: EndpointSpec, fleet: Fleet, environment: Environment
) -> None:
    fleet.serve(NAME, Step("Deleting", OLD), GONE, tags=environment.tags)
    assert deploy(spec) == "created"


def test_resumes_an_interrupted_deployment_of_the_same_model(
    deploy: Any, spec: EndpointSpec, fleet: Fleet, clients: Clients
) -> None:
    ensure_resources(clients.sagemaker, spec)
    fleet.serve(NAME, Step("Creating", spec.config_name), Step("InService", spec.config_name), tags=spec.tags)
    assert deploy(spec) == "unchanged"
    assert set(fleet.calls) == {"DescribeEndpoint", "ListTags"}


@pytest.mark.parametrize("tags", [{}, {"project": "mlflow", "environment": "prod"}])
def test_refuses_an_endpoint_of_another_environment(
    deploy: Any,
    spec: EndpointSpec,
    fleet: Fleet,
    tags: dict[str, str],
    deployer: Deployer,
) -> None:
    fleet.serve(NAME, Step("InService", "theirs"), tags=tags)
    with pytest.raises(PreconditionError, match="does not belong to staging"):
        deploy(spec)
    with pytest.raises(PreconditionError, match="does not belong to staging"):
        deployer.delete(NAME)
    assert set(fleet.calls) == {"DescribeEndpoint", "ListTags"}


@pytest.mark.parametrize(
    ("message", "kind", "complaint"),
    [
        (
            "Requested image 1.dkr.ecr/x:1 not found.",
            PreconditionError,
            "Push one with.*or name another one with --image",
        ),
        ("Value 'ml.foo' at 'productionVariants.1.member.instanceType' failed", InputError, "no instance type ml.m5"),
        ("Something else is wrong.", PlatformError, "CreateEndpoint failed .ValidationException.: Something else"),
    ],
)
def test_explains_what_aws_refuses_and_removes_what_was_created(
    deploy: Any, spec: EndpointSpec, fleet: Fleet, left: Any, message: str, kind: type[PlatformError], complaint: str
) -> None:
    fleet.refuse("CreateEndpoint", ("ValidationException", message))
    with pytest.raises(kind, match=complaint):
        deploy(spec)
    assert not left()


def test_names_an_exhausted_quota(deploy: Any, spec: EndpointSpec, fleet: Fleet) -> None:
    fleet.refuse("CreateEndpoint", ("ResourceLimitExceeded", "ml.m5.large for endpoint usage is 0 Instances."))
    with pytest.raises(PlatformError, match="quota is exhausted: ml"):
        deploy(spec)


def test_repeats_a_call_while_aws_does_not_find_what_was_just_created(
    deploy: Any, spec: EndpointSpec, fleet: Fleet, clock: FakeClock
) -> None:
    fleet.refuse("CreateEndpoint", *[("ValidationException", 'Could not find endpoint configuration "x".')] * 2)
    assert deploy(spec) == "created"
    assert clock.slept >= 4


def test_waiting_ends_after_an_hour_and_says_how_to_continue(
    deploy: Any, spec: EndpointSpec, fleet: Fleet, clock: FakeClock
) -> None:
    fleet.after_create = ("Creating",)
    with pytest.raises(PlatformError, match=r"Creating after 60 min.*run the same command again"):
        deploy(spec)
    assert 3600 <= clock.slept < 3700


def test_delete_removes_everything_of_the_endpoint_and_nothing_of_another(
    deploy: Any,
    environment: Environment,
    clients: Clients,
    deployer: Deployer,
    left: Any,
) -> None:
    first, second = spec_of(environment, "1"), spec_of(environment, "2")
    deploy(first)
    deploy(second)
    neighbour = replace(first, endpoint=f"{NAME}-2")
    clients.sagemaker.create_model(
        ModelName=neighbour.model_name,
        ExecutionRoleArn=first.role,
        PrimaryContainer={"Image": "x"},
        Tags=as_list(first.tags),
    )
    clients.s3.put_object(Bucket=environment.bucket, Key=f"endpoints/{NAME}-2/1/model.tar.gz", Body=b"x")
    removed = deployer.delete(NAME)
    assert removed == Removed(True, everything_of(first, second))
    assert not left()
    assert find_resources(clients, environment, f"{NAME}-2").models == {neighbour.model_name}
    assert len(find_resources(clients, environment, f"{NAME}-2").archives) == 1
    assert deployer.delete(NAME) == Removed(False, EndpointResources())


def test_the_archive_of_a_refused_deployment_is_removed_unless_a_model_uses_it(
    deploy: Any, deployer: Deployer, spec: EndpointSpec, clients: Clients, left: Any
) -> None:
    bucket, key = spec.archive_uri.removeprefix("s3://").split("/", 1)
    clients.s3.put_object(Bucket=bucket, Key=key, Body=b"archive")
    with pytest.raises(InputError, match="refused"), deployer.discarding(spec):
        raise InputError("refused")
    assert not left()
    deploy(spec)
    with pytest.raises(InputError, match="refused"), deployer.discarding(spec):
        raise InputError("refused")
    assert left() == everything_of(spec)


def test_keeps_a_model_that_another_configuration_uses(
    deploy: Any, spec: EndpointSpec, fleet: Fleet, left: Any
) -> None:
    larger = replace(spec, instance_count=2)
    deploy(spec)
    fleet.after_update = ("Updating", "FAILED_BACK")
    with pytest.raises(PlatformError):
        deploy(larger)
    assert left() == everything_of(spec)


def test_reports_a_failure_to_tidy_up_without_failing_the_deployment(
    deploy: Any, environment: Environment, clients: Clients, messages: list[str]
) -> None:
    deploy(spec_of(environment, "1"))
    deploy(spec_of(environment, "2"))
    clients.sagemaker.meta.events.register(
        "before-call.sagemaker.DeleteEndpointConfig", lambda **_: error("AccessDeniedException", "not yours")
    )
    assert deploy(spec_of(environment, "3")) == "updated"
    assert "could not tidy up: not yours" in messages


def test_creates_a_missing_configuration_again(
    deploy: Any, spec: EndpointSpec, clients: Clients, left: Any, fleet: Fleet
) -> None:
    deploy(spec)
    clients.sagemaker.delete_endpoint_config(EndpointConfigName=spec.config_name)
    assert deploy(spec) == "restored"
    assert left() == everything_of(spec)
    assert fleet.updates == []


def test_rollback_returns_to_the_previous_configuration_and_its_tags(
    deploy: Any, deployer: Deployer, environment: Environment, fleet: Fleet, left: Any
) -> None:
    first, second = spec_of(environment, "1"), spec_of(environment, "2")
    deploy(first)
    deploy(second)
    assert deployer.rollback(NAME).uri == "models:/iris/1"
    assert (fleet.config, fleet.tags) == (first.config_name, first.tags)
    assert left() == everything_of(first, second)
    assert deployer.rollback(NAME).uri == "models:/iris/2"
    assert fleet.config == second.config_name


def test_rollback_needs_a_previous_configuration(deploy: Any, deployer: Deployer, spec: EndpointSpec) -> None:
    with pytest.raises(PreconditionError, match="there is nothing to roll back"):
        deployer.rollback(NAME)
    deploy(spec)
    with pytest.raises(PreconditionError, match="has no previous configuration to roll back to"):
        deployer.rollback(NAME)


def test_a_failed_rollback_keeps_the_model_that_serves(
    deploy: Any, deployer: Deployer, environment: Environment, fleet: Fleet, left: Any
) -> None:
    first, second = spec_of(environment, "1"), spec_of(environment, "2")
    deploy(first)
    deploy(second)
    fleet.after_update = ("Updating", "FAILED_BACK")
    with pytest.raises(PlatformError, match="The previous model continues to serve"):
        deployer.rollback(NAME)
    assert fleet.config == second.config_name
    assert left() == everything_of(first, second)


def test_a_preview_changes_nothing_and_matches_the_deployment(
    deploy: Any, deployer: Deployer, environment: Environment, fleet: Fleet, left: Any
) -> None:
    first, second, third = (spec_of(environment, version) for version in "123")
    for spec, removes in ((first, ()), (second, ()), (third, (first.config_name,))):
        before, calls = left(), list(fleet.calls)
        preview = deployer.preview(spec)
        assert preview.creates == (f"model {spec.model_name}", f"configuration {spec.config_name}")
        assert preview.removes == removes
        assert left() == before
        assert not CHANGES & set(fleet.calls[len(calls) :])
        assert deploy(spec) == preview.change
        assert deployer.preview(spec).change == "unchanged"
    served = deployer.preview(first).served
    assert served is not None
    assert served.uri == "models:/iris/3"


def test_a_preview_refuses_what_the_deployment_refuses(
    deploy: Any, deployer: Deployer, environment: Environment
) -> None:
    deploy(named(environment, "a_b"))
    with pytest.raises(PreconditionError, match="--replace-model"):
        deployer.preview(named(environment, "a-b", "2"))


def test_time_outs_are_part_of_the_configuration(deploy: Any, spec: EndpointSpec, clients: Clients) -> None:
    other = replace(spec, startup_seconds=120, download_seconds=300)
    assert other.config_name != spec.config_name
    assert other.model_name == spec.model_name
    deploy(other)
    config = clients.sagemaker.describe_endpoint_config(EndpointConfigName=other.config_name)
    (variant,) = config["ProductionVariants"]
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == 120
    assert variant["ModelDataDownloadTimeoutInSeconds"] == 300


def write(logs: Any, group: str, stream: str, *lines: str) -> None:
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": line} for number, line in enumerate(lines)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def test_an_endpoint_with_instances_is_not_made_serverless(
    deploy: Any, deployer: Deployer, spec: EndpointSpec, fleet: Fleet
) -> None:
    serverless = replace(spec, serverless=Serverless(2048))
    deploy(spec)
    for refused in (
        lambda: deployer.check_target(NAME, None, replace_model=False, serverless=True),
        lambda: deployer.preview(serverless),
        lambda: deploy(serverless),
    ):
        with pytest.raises(PreconditionError, match="AWS cannot update it to serverless capacity"):
            refused()
    assert fleet.config == spec.config_name
    fleet.serve(NAME, Step("Failed", spec.config_name), tags=dict(spec.tags))
    # AWS can only delete a failed endpoint, so it is created anew. Serverless capacity can be replaced by instances.
    assert [deploy(serverless), deploy(spec)] == ["created", "updated"]
