"""The deployer on localaws: a canary, an update that an alarm rolls back, a rollback by hand. No request fails."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import PlatformError
from mlflow_common.waiting import SystemClock
from mlflow_platform.endpoints.alarms import rollback_alarms
from mlflow_platform.endpoints.deployment import Deployer, Guards
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.publishing import Hosting, Published, publish
from mlflow_platform.endpoints.resources import Clients, find_resources
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
        return ["{answer}"]


def _load_pyfunc(path):
    return Model()
"""


def save(hosted: Hosted, folder: Path, version: str, *, slow: float = 0) -> Model:
    """Store a model that answers with its version; a slow one is slow for all requests but its example."""
    save_obedient(folder)
    (folder / "code" / "obedient.py").write_text(MODEL.format(answer=version, slow=slow))
    (folder / "serving_input_example.json").write_bytes(EXAMPLE)
    prefix = unique("model")
    for file in (file for file in folder.rglob("*") if file.is_file()):
        hosted.s3.upload_file(str(file), hosted.bucket, f"{prefix}/{file.relative_to(folder).as_posix()}")
    return Model(f"models:/versions/{version}", f"s3://{hosted.bucket}/{prefix}", "versions", version)


@pytest.fixture
def environment(hosted: Hosted) -> Environment:
    ref = EnvironmentRef("staging", local=True)
    server = TrackingServer("arn", "none", "3.0", ref)
    store = f"s3://{hosted.bucket}"
    return Environment(ref, "deployer", ACCOUNT, "us-east-1", server, store, hosted.bucket, hosted.role)


def test_a_canary_a_rollback_by_an_alarm_and_one_by_hand_lose_no_request(
    hosted: Hosted, environment: Environment, tmp_path: Path
) -> None:
    said: list[str] = []
    name = unique("deployer-staging")
    clients = Clients(hosted.sagemaker, hosted.s3, hosted.logs, hosted.runtime, hosted.localaws.client("cloudwatch"))
    deployer = Deployer(clients, environment, progress=said.append, clock=SystemClock())

    def published(version: str, **more: Any) -> Published:
        model = save(hosted, tmp_path / version, version, **more)
        return publish(hosted.s3, environment, name, model, Hosting(IMAGE, "ml.m5.large", 2))

    def deploy(one: Published) -> str:
        alarms = rollback_alarms(name, one.spec.config_name, one.spec.variants, 1000)
        guards = Guards(strategy("canary", share=50, wait=120, keep=0), alarms, one.example)
        return deployer.deploy(one.spec, guards=guards)

    first, second = published("v1"), published("v2")
    assert deploy(first) == "created"
    with Stream(hosted, name) as stream:
        assert deploy(second) == "updated"
        stream.until_answered("v2")
        with pytest.raises(PlatformError, match=f"the alarm {name}-AllTraffic-latency has rolled the update") as failed:
            deploy(published("v3", slow=1.5))
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
