"""The deployer on localaws: a canary, an update that an alarm rolls back, a rollback by hand. No request fails."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import PlatformError
from mlflow_common.waiting import SystemClock
from mlflow_platform.endpoints import async_requests
from mlflow_platform.endpoints.alarms import rollback_alarms
from mlflow_platform.endpoints.deployment import Deployer, Guards
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.publishing import Hosting, Published, publish
from mlflow_platform.endpoints.resources import Clients, EndpointResources, find_resources
from mlflow_platform.endpoints.scaling import Autoscaling, Scaling, scaled_variants
from mlflow_platform.endpoints.specification import asynchronous
from mlflow_platform.endpoints.strategy import strategy
from mlflow_platform.environment import Environment, EnvironmentRef, TrackingServer
from tests.localaws.endpoints.hosted import IMAGE, Hosted, unique
from tests.localaws.endpoints.streaming import Stream
from tests.serving.models import save_obedient

ACCOUNT = "123456789012"

EXAMPLE = b'{"dataframe_records": [{"variable": "EXAMPLE"}]}'
MODEL = """
class Model:
    def predict(self, rows):
        if {slow} and rows.iloc[0]["variable"] != "EXAMPLE":
            import time
            time.sleep({slow})
        {broken}
        return ["{answer}"]


def _load_pyfunc(path):
    return Model()
"""


def save(hosted: Hosted, folder: Path, version: str, *, slow: float = 0, broken: str = "") -> Model:
    """Store a model that answers with its version, after a statement; a slow one is slow for all but its example."""
    save_obedient(folder)
    (folder / "code" / "obedient.py").write_text(MODEL.format(answer=version, slow=slow, broken=broken))
    (folder / "serving_input_example.json").write_bytes(EXAMPLE)
    prefix = unique("model")
    for file in (file for file in folder.rglob("*") if file.is_file()):
        hosted.s3.upload_file(str(file), hosted.bucket, f"{prefix}/{file.relative_to(folder).as_posix()}")
    return Model(f"models:/versions/{version}", f"s3://{hosted.bucket}/{prefix}", "versions", version)


@pytest.fixture
def clients(hosted: Hosted) -> Clients:
    more = (hosted.localaws.client(service) for service in ("cloudwatch", "application-autoscaling"))
    return Clients(hosted.sagemaker, hosted.s3, hosted.logs, hosted.runtime, *more)


@pytest.fixture
def environment(hosted: Hosted) -> Environment:
    ref = EnvironmentRef("staging", local=True)
    server = TrackingServer("arn", "none", "3.0", ref)
    store = f"s3://{hosted.bucket}"
    return Environment(ref, "deployer", ACCOUNT, "us-east-1", server, store, hosted.bucket, hosted.role)


def test_a_canary_a_rollback_by_an_alarm_and_one_by_hand_lose_no_request(
    hosted: Hosted, clients: Clients, environment: Environment, tmp_path: Path
) -> None:
    messages: list[str] = []
    name = unique("deployer-staging")
    deployer = Deployer(clients, environment, progress=messages.append, clock=SystemClock())

    def published(version: str, **more: Any) -> Published:
        model = save(hosted, tmp_path / version, version, **more)
        return publish(hosted.s3, environment, name, model, Hosting(IMAGE, "ml.m5.large", 2))

    def deploy(one: Published, wait: int = 120) -> str:
        alarms = rollback_alarms(name, one.spec.config_name, one.spec.variants, 1000)
        guards = Guards(strategy("canary", share=50, wait=wait, keep=0), alarms, one.example)
        return deployer.deploy(one.spec, guards=guards)

    first, second = published("v1"), published("v2")
    assert deploy(first) == "created"
    with Stream(hosted, name) as stream:
        assert deploy(second) == "updated"
        stream.until_answered("v2")
        with pytest.raises(PlatformError, match=f"the alarm {name}-AllTraffic-latency has rolled the update") as failed:
            deploy(published("v3", slow=1.5), wait=3600)
        assert failed.value.status == 1
        served = deployer.rollback(name)
        time.sleep(0.2)
    assert served.version == "v1"
    assert hosted.predict(name, EXAMPLE.decode()) == ["v1"]
    assert stream.failures == []
    assert {answer for found in stream.answers for answer in found} >= {"v1", "v2"}
    left = find_resources(clients, environment, name)
    assert left.configs == {first.spec.config_name, second.spec.config_name}
    assert len(deployer.delete(name).alarms) == 3
    assert json.dumps(hosted.sagemaker.list_endpoints(NameContains=name)["Endpoints"]) == "[]"


def test_requests_that_fail_roll_an_update_back_and_the_example_stops_it_before_any_fails(
    hosted: Hosted, clients: Clients, environment: Environment, tmp_path: Path
) -> None:
    name = unique("deployer-staging")
    deployer = Deployer(clients, environment, progress=lambda _: None, clock=SystemClock())

    def deploy(version: str, broken: str = "", *, example: bool = False) -> str:
        model = save(hosted, tmp_path / f"{version}-{example}", version, broken=broken)
        one = publish(hosted.s3, environment, name, model, Hosting(IMAGE, "ml.m5.large", 1))
        alarms = rollback_alarms(name, one.spec.config_name, one.spec.variants, None)
        bake = strategy("all-at-once", share=None, wait=3600, keep=0)
        return deployer.deploy(one.spec, guards=Guards(bake, alarms, one.example if example else None))

    assert deploy("v1") == "created"
    before = find_resources(clients, environment, name)
    # The answer cannot be written as JSON, so the server answers 500.
    unreadable = "return [object()]"
    with (
        Stream(hosted, name) as stream,
        pytest.raises(PlatformError, match=r"did not answer its input example .*500"),
    ):
        deploy("v2", unreadable, example=True)
    assert stream.failures == []
    # MLflow answers 400 if `predict` raises.
    for version, statement, alarm in (("v3", unreadable, "errors"), ("v4", "raise KeyError(1)", "failures")):
        with (
            Stream(hosted, name) as stream,
            pytest.raises(PlatformError, match=f"the alarm {name}-AllTraffic-{alarm} has rolled the update"),
        ):
            deploy(version, statement)
        assert {type(failure).__name__ for failure in stream.failures} == {"ModelError"}
        assert hosted.predict(name, EXAMPLE.decode()) == ["v1"]
        assert find_resources(clients, environment, name) == before
    deployer.delete(name)


def test_an_asynchronous_endpoint_answers_its_example_and_starts_an_instance_for_a_request(
    hosted: Hosted, clients: Clients, environment: Environment, tmp_path: Path
) -> None:
    name = unique("deployer-staging")
    clock = SystemClock()
    queue = asynchronous(environment, name, None, 2)
    model = save(hosted, tmp_path / "v1", "v1")
    one = publish(hosted.s3, environment, name, model, Hosting(IMAGE, "ml.m5.large", 1, asynchronous=queue))
    deployer = Deployer(clients, environment, progress=lambda _: None, clock=clock)
    assert deployer.deploy(one.spec, guards=Guards(smoke_request=one.example)) == "created"

    autoscaling = Autoscaling(clients)
    assert autoscaling.apply(one.spec, Scaling(0, 1, 5.0))
    # Nobody asks, so the policy removes the instance.
    hosted.until(lambda: instances(hosted, name), lambda count: count == 0, 120)
    folder = async_requests.require_outputs(hosted.sagemaker, name)
    sent = async_requests.submit(hosted.s3, hosted.runtime, name, folder, EXAMPLE, "application/json")
    answer = async_requests.result(hosted.s3, sent, progress=lambda _: None, clock=clock, timeout=120)
    assert json.loads(answer) == {"predictions": ["v1"]}
    deployer.delete(name)
    assert scaled_variants(clients.autoscaling, name) == {}
    assert find_resources(clients, environment, name) == EndpointResources()


def instances(hosted: Hosted, name: str) -> int:
    """How many instances run."""
    (variant,) = hosted.describe(name)["ProductionVariants"]
    return int(variant["CurrentInstanceCount"])
