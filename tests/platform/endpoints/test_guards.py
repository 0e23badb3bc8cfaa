"""What protects an update: alarms that roll it back, and a smoke request on a temporary endpoint."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.endpoints.alarms import alarms_of, rollback_alarms
from mlflow_platform.endpoints.deployment import Deployer, Guards
from mlflow_platform.endpoints.removal import preview_removal
from mlflow_platform.endpoints.resources import Clients, find_resources
from mlflow_platform.endpoints.specification import EndpointSpec, smoke_name
from mlflow_platform.endpoints.strategy import strategy
from mlflow_platform.environment import Environment
from tests.platform.conftest import FakeClock
from tests.platform.endpoints.deployed import NAME, everything_of, spec_of
from tests.platform.endpoints.fleet import Fleet, Step, error

EXAMPLE = b'{"inputs": [[1.0]]}'
CANARY = Guards(
    strategy("canary", share=None, wait=60, keep=0), rollback_alarms(NAME, "config", ["AllTraffic"], 250), EXAMPLE
)
ERRORS, FAILURES, LATENCY = (f"{NAME}-AllTraffic-{kind}" for kind in ("errors", "failures", "latency"))


class Runtime:
    """Answers smoke requests, and records the endpoints that they name."""

    def __init__(self, runtime: Any) -> None:
        self.requests: list[tuple[str, bytes]] = []
        self.answer: bytes | None = b'{"predictions": [1]}'
        self._given: dict[str, Any] = {}
        runtime.meta.events.register("before-parameter-build.sagemaker-runtime.InvokeEndpoint", self._remember)
        runtime.meta.events.register("before-call.sagemaker-runtime.InvokeEndpoint", self._reply)

    def _remember(self, params: dict[str, Any], **_: Any) -> None:
        self._given = dict(params)

    def _reply(self, **_: Any) -> Any:
        self.requests.append((self._given["EndpointName"], self._given["Body"]))
        if self.answer is None:
            return error("ModelError", "Received server error (500) from primary. See the log.")
        http, parsed = error("", "")
        http.status_code = 200
        return http, {"Body": io.BytesIO(self.answer), "ResponseMetadata": parsed["ResponseMetadata"]}


@pytest.fixture
def runtime(clients: Clients) -> Runtime:
    return Runtime(clients.runtime)


@pytest.fixture
def deployer(
    clients: Clients, environment: Environment, fleet: Fleet, runtime: Runtime, messages: list[str]
) -> Deployer:
    return Deployer(clients, environment, progress=messages.append, clock=FakeClock())


@pytest.fixture
def versions(environment: Environment, clients: Clients) -> Callable[[str], EndpointSpec]:
    def of(version: str) -> EndpointSpec:
        spec = spec_of(environment, version)
        bucket, key = spec.archive_uri.removeprefix("s3://").split("/", 1)
        clients.s3.put_object(Bucket=bucket, Key=key, Body=b"archive")
        return spec

    return of


def guards_of(spec: EndpointSpec, bound: float = 250) -> Guards:
    return Guards(alarms=rollback_alarms(NAME, spec.config_name, ["AllTraffic"], bound))


def alarm(clients: Clients, name: str) -> Any:
    (found,) = clients.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return found


def test_an_update_names_the_alarms_that_were_created_for_it(
    deployer: Deployer, versions: Any, fleet: Fleet, clients: Clients, environment: Environment
) -> None:
    deployer.deploy(versions("1"), guards=CANARY)
    assert not alarms_of(clients.cloudwatch, NAME), "a new endpoint needs no rollback"
    assert not deployer.watched
    assert deployer.deploy(versions("2"), guards=CANARY) == "updated"
    assert deployer.watched == (ERRORS, FAILURES, LATENCY)
    (update,) = fleet.updates
    config = update["DeploymentConfig"]
    assert config["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] == "CANARY"
    assert config["AutoRollbackConfiguration"]["Alarms"] == [
        {"AlarmName": name} for name in (ERRORS, FAILURES, LATENCY)
    ]
    failures = alarm(clients, FAILURES)
    assert (failures["MetricName"], failures["Threshold"]) == ("InvocationModelErrors", 0.5)
    latency = alarm(clients, LATENCY)
    assert (latency["Threshold"], latency["ExtendedStatistic"]) == (250_000, "p99")
    tags = clients.cloudwatch.list_tags_for_resource(ResourceARN=latency["AlarmArn"])["Tags"]
    assert environment.tags.items() <= {tag["Key"]: tag["Value"] for tag in tags}.items()


def test_the_alarms_of_another_deployment_are_left_alone(
    deployer: Deployer, versions: Any, fleet: Fleet, clients: Clients
) -> None:
    deployer.deploy(versions("1"))
    theirs, *_ = guards_of(versions("3")).alarms

    def another_deployment(**_: Any) -> None:
        clients.cloudwatch.put_metric_alarm(AlarmName=theirs.name, **theirs.definition)
        fleet.steps = [Step("Updating", fleet.config, pending=versions("3").config_name)]

    clients.runtime.meta.events.register_first("before-call.sagemaker-runtime.InvokeEndpoint", another_deployment)
    with pytest.raises(PreconditionError, match=r"another deployment .* is in progress"):
        deployer.deploy(versions("2"), guards=Guards(alarms=guards_of(versions("2")).alarms, smoke_request=EXAMPLE))
    assert alarm(clients, ERRORS)["Dimensions"] == theirs.definition["Dimensions"]
    assert not fleet.updates


def test_an_update_that_is_still_in_progress_keeps_its_alarms(
    deployer: Deployer, versions: Any, fleet: Fleet, clients: Clients
) -> None:
    deployer.deploy(versions("1"))
    fleet.after_update = ("Updating",)
    with pytest.raises(PlatformError, match="AWS continues"):
        deployer.deploy(versions("2"), guards=guards_of(versions("2")))
    assert alarms_of(clients.cloudwatch, NAME) == {ERRORS, FAILURES, LATENCY}


def test_alarms_that_could_not_all_be_placed_are_removed(
    deployer: Deployer, versions: Any, fleet: Fleet, clients: Clients
) -> None:
    deployer.deploy(versions("1"))
    placed: list[str] = []

    def refuses_the_second(params: dict[str, Any], **_: Any) -> None:
        placed.append(params["AlarmName"])
        if len(placed) == 2:
            raise EndpointConnectionError(endpoint_url="https://monitoring.us-east-1.amazonaws.com")

    events = clients.cloudwatch.meta.events
    events.register_first("before-parameter-build.cloudwatch.PutMetricAlarm", refuses_the_second)
    with pytest.raises(PlatformError, match="Check the network"):
        deployer.deploy(versions("2"), guards=guards_of(versions("2")))
    assert not alarms_of(clients.cloudwatch, NAME)
    assert not fleet.updates


def test_a_changed_bound_corrects_the_alarm(deployer: Deployer, versions: Any, clients: Clients) -> None:
    for version, bound in (("1", 250), ("2", 250), ("3", 100)):
        deployer.deploy(versions(version), guards=guards_of(versions(version), bound))
    assert alarm(clients, LATENCY)["Threshold"] == 100_000


def test_a_rollback_is_reported_on_one_line_with_the_alarm_and_the_reason(
    deployer: Deployer, versions: Any, fleet: Fleet, clients: Clients, environment: Environment
) -> None:
    deployer.deploy(versions("1"), guards=CANARY)
    fleet.after_update, fleet.reason = ("Updating", "RollingBack", "FAILED_BACK"), "The deployment was rolled back"

    def rings(**_: Any) -> None:
        clients.cloudwatch.set_alarm_state(AlarmName=ERRORS, StateValue="ALARM", StateReason="5 failed requests")

    clients.sagemaker.meta.events.register_first("before-call.sagemaker.UpdateEndpoint", rings)
    with pytest.raises(PlatformError, match=rf"alarm {ERRORS} has rolled .* back \(The deployment was") as failed:
        deployer.deploy(versions("2"), guards=CANARY)
    assert failed.value.status == 1
    assert fleet.config == spec_of(environment, "1").config_name
    assert find_resources(clients, environment, NAME) == everything_of(spec_of(environment, "1"))
    assert not alarms_of(clients.cloudwatch, NAME), "the failed attempt has created the alarms"


def test_a_failed_update_restores_the_alarms_of_the_model_that_serves(
    deployer: Deployer, versions: Any, fleet: Fleet, clients: Clients
) -> None:
    deployer.deploy(versions("1"))
    deployer.deploy(versions("2"), guards=guards_of(versions("2")))
    fleet.after_update = ("Updating", "FAILED_BACK")

    def rings(**_: Any) -> None:
        clients.cloudwatch.set_alarm_state(AlarmName=LATENCY, StateValue="ALARM", StateReason="slow")

    clients.sagemaker.meta.events.register_first("before-call.sagemaker.UpdateEndpoint", rings)
    with pytest.raises(PlatformError, match=f"the alarm {LATENCY} has rolled"):
        deployer.deploy(versions("3"), guards=guards_of(versions("3"), 100))
    restored = alarm(clients, LATENCY)
    assert restored["Threshold"] == 250_000
    assert restored["StateValue"] != "ALARM"
    assert versions("2").config_name in {item["Value"] for item in restored["Dimensions"]}


def test_an_alarm_of_the_model_that_serves_does_not_stop_its_repair(
    deployer: Deployer, versions: Any, clients: Clients
) -> None:
    deployer.deploy(versions("1"))
    deployer.deploy(versions("2"), guards=guards_of(versions("2")))
    clients.cloudwatch.set_alarm_state(AlarmName=ERRORS, StateValue="ALARM", StateReason="it fails")
    assert deployer.deploy(versions("3"), guards=guards_of(versions("3"))) == "updated"
    assert alarm(clients, ERRORS)["StateValue"] != "ALARM"


def test_removing_an_endpoint_removes_its_alarms_and_no_others(
    deployer: Deployer, versions: Any, clients: Clients, environment: Environment
) -> None:
    deployer.deploy(versions("1"))
    deployer.deploy(versions("2"), guards=CANARY)
    preview = preview_removal(clients, environment, NAME)
    neighbour, *_ = rollback_alarms(f"{NAME}-2", "config", ["AllTraffic"], None)
    clients.cloudwatch.put_metric_alarm(AlarmName=neighbour.name, **neighbour.definition)
    removed = deployer.delete(NAME)
    assert removed.alarms == {ERRORS, FAILURES, LATENCY}
    assert preview == removed
    assert {found["AlarmName"] for found in clients.cloudwatch.describe_alarms()["MetricAlarms"]} == {neighbour.name}


def test_refuses_more_alarms_than_aws_watches() -> None:
    with pytest.raises(InputError, match="at most 10"):
        rollback_alarms(NAME, "config", [f"v{number}" for number in range(4)], 100)


def test_a_new_endpoint_answers_the_smoke_request_itself(deployer: Deployer, versions: Any, runtime: Runtime) -> None:
    deployer.deploy(versions("1"), guards=CANARY)
    assert runtime.requests == [(NAME, EXAMPLE)]


def test_a_creation_that_was_killed_is_tested_by_the_next_run(
    deployer: Deployer, versions: Any, fleet: Fleet, runtime: Runtime, clients: Clients, environment: Environment
) -> None:
    fleet.after_create = ("Creating",)
    with pytest.raises(PlatformError, match="AWS continues"):
        deployer.deploy(versions("1"), guards=CANARY)
    fleet.steps.append(Step("InService", fleet.config))
    runtime.answer = None
    with pytest.raises(PlatformError, match=r"did not answer its input example .* has been removed"):
        deployer.deploy(versions("1"), guards=CANARY)
    assert not fleet.exists
    assert not find_resources(clients, environment, NAME)


NOTHING = (
    *(b'{"predictions": []}', b'{"predictions": null}', b'{"predictions": [null]}', b'{"predictions": [{"a": null}]}'),
    *(b"null", b"[]", b"{}", b'""'),
)
ERROR_ANSWERS = (
    *(b'{"error": "out of\\nmemory"}', b'{"error_code": "BAD_REQUEST", "message": "no"}', b'{"error": true}'),
    b'{"error": {"code": 500}, "result": null}',
)


@pytest.mark.parametrize("answer", [None, b"<html>", *NOTHING, *ERROR_ANSWERS])
def test_a_new_endpoint_that_does_not_answer_is_removed(
    deployer: Deployer,
    versions: Any,
    runtime: Runtime,
    fleet: Fleet,
    clients: Clients,
    environment: Environment,
    answer: bytes | None,
) -> None:
    runtime.answer = answer
    with pytest.raises(PlatformError, match=r"did not answer its input example .* has been removed") as refused:
        deployer.deploy(versions("1"), guards=CANARY)
    assert ("its answer is an error" in refused.value.message) == (answer in ERROR_ANSWERS)
    assert ("its answer has no predictions" in refused.value.message) == (answer in NOTHING)
    assert "\n" not in refused.value.message
    assert not fleet.exists
    assert not find_resources(clients, environment, NAME)


@pytest.mark.parametrize("depth", [450, 900, 100_000])
def test_an_answer_that_is_nested_too_deeply_is_refused(
    deployer: Deployer, versions: Any, runtime: Runtime, fleet: Fleet, depth: int
) -> None:
    runtime.answer = b"[" * depth + b"]" * depth
    with pytest.raises(PlatformError, match=r"nested too deeply|has no predictions"):
        deployer.deploy(versions("1"), guards=Guards(smoke_request=b"[" * depth))
    assert not fleet.exists


@pytest.mark.parametrize(
    ("request_body", "answer"),
    [
        (EXAMPLE, b'{"predictions": [0, null]}'),
        (EXAMPLE, b'{"predictions": {"error": 0.1}}'),
        (EXAMPLE, b"0"),
        (EXAMPLE, b"false"),
        (EXAMPLE, b'{"error": null, "choices": [{"text": "hello"}]}'),
        (EXAMPLE, b'{"error": 0.1, "estimate": 3}'),
        (EXAMPLE, b'{"message": {"role": "assistant", "content": "hello"}}'),
        (b"not JSON", b'{"predictions": [1]}'),
        (b'{"inputs": []}', b'{"predictions": []}'),
        (b'{"dataframe_split": {"columns": ["a"], "data": []}, "params": {"b": 1}}', b'{"predictions": []}'),
    ],
)
def test_an_answer_with_a_value_is_accepted_and_an_empty_one_to_an_empty_request(
    deployer: Deployer, versions: Any, runtime: Runtime, request_body: bytes, answer: bytes
) -> None:
    runtime.answer = answer
    assert deployer.deploy(versions("1"), guards=Guards(smoke_request=request_body)) == "created"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b'{"predictions": [1, 2]}', ""),
        (b'{"predictions": [[0.25, 0.75]]}', ""),
        (b'{"predictions": [{"setosa": 0.25, "virginica": 0.75}]}', ""),
        (b'{"predictions": [[12.5, 30.0]]}', "are not class probabilities"),
        (b'{"predictions": [{"price": 12.5, "days": 30}]}', "are not class probabilities"),
        (b'{"predictions": [{"label": "a", "score": 0.5}]}', "a prediction must be one value"),
        (b'{"choices": [{"text": "hello"}]}', "no key `predictions`"),
    ],
)
def test_a_deployment_says_that_predictions_cannot_be_scored(
    deployer: Deployer, versions: Any, runtime: Runtime, messages: list[str], answer: bytes, said: str
) -> None:
    runtime.answer = answer
    deployer.deploy(versions("1"), guards=Guards(smoke_request=EXAMPLE))
    found = [one for one in messages if "cannot score such predictions" in one]
    assert [said in one for one in found] == ([True] if said else [])


def test_an_update_is_tested_on_a_temporary_endpoint_before_traffic_moves(
    deployer: Deployer, versions: Any, runtime: Runtime, fleet: Fleet, clients: Clients
) -> None:
    deployer.deploy(versions("1"))
    second = replace(versions("2"), instance_count=3)
    tested: list[int] = []

    def look(**_: Any) -> None:
        config = clients.sagemaker.describe_endpoint_config(EndpointConfigName=smoke_name(second))
        tested.append(config["ProductionVariants"][0]["InitialInstanceCount"])
        assert not fleet.updates

    clients.runtime.meta.events.register_first("before-call.sagemaker-runtime.InvokeEndpoint", look)
    deployer.deploy(second, guards=CANARY)
    assert runtime.requests == [(smoke_name(second), EXAMPLE)]
    assert tested == [1]
    assert clients.sagemaker.list_endpoints()["Endpoints"] == []


def test_a_model_that_does_not_answer_never_gets_traffic(
    deployer: Deployer, versions: Any, runtime: Runtime, fleet: Fleet, clients: Clients, environment: Environment
) -> None:
    deployer.deploy(versions("1"))
    runtime.answer = None
    with pytest.raises(PlatformError, match=r"server error \(500\).*The previous model continues to serve"):
        deployer.deploy(versions("2"), guards=CANARY)
    assert not fleet.updates
    assert find_resources(clients, environment, NAME) == everything_of(spec_of(environment, "1"))
    assert clients.sagemaker.list_endpoints()["Endpoints"] == []


def test_a_killed_test_is_resumed_by_the_same_deployment_and_refuses_another(
    deployer: Deployer, versions: Any, runtime: Runtime, clients: Clients, environment: Environment
) -> None:
    deployer.deploy(versions("1"))
    second = versions("2")

    def killed(**_: Any) -> None:
        raise KeyboardInterrupt

    def unable(**_: Any) -> Any:
        return error("AccessDeniedException", "killed")

    events = clients.sagemaker.meta.events
    clients.runtime.meta.events.register_first("before-call.sagemaker-runtime.InvokeEndpoint", killed)
    events.register_first("before-call.sagemaker.DeleteEndpoint", unable)
    with pytest.raises(Exception, match="killed"):
        deployer.deploy(second, guards=CANARY)
    clients.runtime.meta.events.unregister("before-call.sagemaker-runtime.InvokeEndpoint", killed)
    events.unregister("before-call.sagemaker.DeleteEndpoint", unable)
    with pytest.raises(PreconditionError, match=r"another deployment .* is in progress: its test endpoint"):
        deployer.deploy(versions("3"), guards=CANARY)
    assert preview_removal(clients, environment, NAME).tests == {smoke_name(second)}
    assert deployer.deploy(second, guards=CANARY) == "updated"
    assert clients.sagemaker.list_endpoints()["Endpoints"] == []


def test_what_other_programs_name_like_a_test_endpoint_is_kept(
    deployer: Deployer, versions: Any, clients: Clients, environment: Environment
) -> None:
    """Ten digits are a time in seconds, with which many programs end a name."""
    deployer.deploy(versions("1"))
    other = f"{NAME}-1764490000"
    role = environment.endpoint_role
    clients.sagemaker.create_model(ModelName=other, ExecutionRoleArn=role, PrimaryContainer={"Image": "x"})
    variant: Any = {"VariantName": "A", "ModelName": other, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    clients.sagemaker.create_endpoint_config(EndpointConfigName=other, ProductionVariants=[variant])
    clients.sagemaker.create_endpoint(EndpointName=other, EndpointConfigName=other)
    assert deployer.deploy(versions("2"), guards=CANARY) == "updated"
    assert not preview_removal(clients, environment, NAME).tests
    deployer.delete(NAME)
    assert [one["EndpointName"] for one in clients.sagemaker.list_endpoints()["Endpoints"]] == [other]
    configs = clients.sagemaker.list_endpoint_configs()["EndpointConfigs"]
    assert [one["EndpointConfigName"] for one in configs] == [other]
    assert [one["ModelName"] for one in clients.sagemaker.list_models()["Models"]] == [other]


def test_a_failed_update_shows_the_reason_of_aws_unless_the_log_says_more(
    deployer: Deployer, fleet: Fleet, versions: Callable[[str], EndpointSpec]
) -> None:
    deployer.deploy(versions("1"))
    fleet.after_update = ("Updating", "FAILED_BACK")
    fleet.reason = "The execution role cannot describe the alarms: denied."
    with pytest.raises(
        PlatformError, match=r"the update of .* failed \(The execution role .*: denied\)\. The previous"
    ):
        deployer.deploy(versions("2"))
    fleet.after_update = ("Updating", "FAILED_BACK")
    fleet.reason = "The primary container did not pass the ping health check. Please check CloudWatch logs."
    with pytest.raises(PlatformError, match="the model did not start"):
        deployer.deploy(versions("2"))
