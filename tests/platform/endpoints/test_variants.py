"""Several models on one endpoint, their weights, and the capture of requests."""

from dataclasses import replace
from typing import Any

import pytest

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform.endpoints.alarms import alarms_of, rollback_alarms
from mlflow_platform.endpoints.deployment import Deployer, Guards
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.publishing import Companion, Hosting, Published, publish, publish_beside
from mlflow_platform.endpoints.resources import Clients, find_resources
from mlflow_platform.endpoints.specification import EndpointSpec
from mlflow_platform.endpoints.strategy import strategy
from mlflow_platform.endpoints.weights import changed_weights, parse_weights
from mlflow_platform.environment import Environment
from tests.platform.conftest import BUCKET, FakeClock
from tests.platform.endpoints.deployed import NAME, everything_of
from tests.platform.endpoints.fleet import Fleet

HOSTING = Hosting("image", "ml.m5.large", 2)


@pytest.fixture
def deployer(clients: Clients, environment: Environment, fleet: Fleet, messages: list[str]) -> Deployer:
    return Deployer(clients, environment, progress=messages.append, clock=FakeClock())


@pytest.fixture
def published(clients: Clients, environment: Environment) -> Published:
    for version in "12":
        key = f"models/{version}/MLmodel"
        clients.s3.put_object(Bucket=BUCKET, Key=key, Body=f"run_id: run{version}\n".encode())
    return publish(clients.s3, environment, NAME, version_of("1"), HOSTING)


def version_of(version: str) -> Model:
    return Model(f"models:/iris/{version}", f"s3://{BUCKET}/models/{version}", "iris", version)


def beside(clients: Clients, environment: Environment, published: Published, *, shadow: bool = False) -> EndpointSpec:
    companion = Companion(version_of("2"), "Shadow" if shadow else "Challenger", 0.25, shadow)
    return publish_beside(clients.s3, environment, published, companion).spec


def requests(clients: Clients) -> list[dict[str, Any]]:
    """The configurations that are created from now on, as they are requested."""
    found: list[dict[str, Any]] = []
    event = "provide-client-params.sagemaker.CreateEndpointConfig"
    clients.sagemaker.meta.events.register(event, lambda params, **_: found.append(dict(params)))
    return found


def test_a_challenger_answers_its_share(
    deployer: Deployer, clients: Clients, environment: Environment, published: Published
) -> None:
    created = requests(clients)
    spec = beside(clients, environment, published)
    deployer.deploy(spec)
    champion, challenger = created[0]["ProductionVariants"]
    assert (champion["VariantName"], champion["InitialVariantWeight"]) == ("AllTraffic", 0.75)
    assert (challenger["VariantName"], challenger["InitialVariantWeight"]) == ("Challenger", 0.25)
    assert challenger["ModelName"] != champion["ModelName"]
    arn = clients.sagemaker.describe_model(ModelName=challenger["ModelName"])["ModelArn"]
    tags = {tag["Key"]: tag["Value"] for tag in clients.sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    assert (tags["model-version"], tags["run-id"]) == ("2", "run2")


def test_a_shadow_is_no_production_variant(
    deployer: Deployer, clients: Clients, environment: Environment, published: Published
) -> None:
    created = requests(clients)
    deployer.deploy(beside(clients, environment, published, shadow=True))
    (only,) = created[0]["ProductionVariants"]
    (shadow,) = created[0]["ShadowProductionVariants"]
    assert (only["VariantName"], shadow["VariantName"], shadow["InitialVariantWeight"]) == (
        "AllTraffic",
        "Shadow",
        0.25,
    )


def test_removing_a_challenger_removes_its_model_once_it_cannot_be_restored(
    deployer: Deployer, clients: Clients, environment: Environment, published: Published
) -> None:
    both = beside(clients, environment, published)
    deployer.deploy(both)
    deployer.deploy(published.spec)
    assert set(find_resources(clients, environment, NAME).models) == {one.model_name for one in both.models}
    deployer.deploy(replace(published.spec, instance_count=3))
    assert find_resources(clients, environment, NAME).models == {published.spec.model_name}
    assert find_resources(clients, environment, NAME).archives == everything_of(published.spec).archives


def test_traffic_moves_at_once_when_the_variants_change(
    deployer: Deployer,
    clients: Clients,
    environment: Environment,
    published: Published,
    fleet: Fleet,
    messages: list[str],
) -> None:
    deployer.deploy(published.spec)
    both = beside(clients, environment, published)
    with pytest.raises(InputError, match=r"not possible while the endpoint .* gets other variants"):
        deployer.deploy(both, guards=Guards(strategy("canary", share=None, wait=None, keep=0)))
    assert not fleet.updates
    alarms = rollback_alarms(NAME, both.config_name, both.variants, None)
    assert deployer.deploy(both, guards=Guards(alarms=alarms)) == "updated"
    assert "DeploymentConfig" not in fleet.updates[0]
    assert not deployer.watched
    assert not alarms_of(clients.cloudwatch, NAME)
    assert any("no alarm is watched" in line for line in messages)
    deployer.rollback(NAME)
    assert "DeploymentConfig" not in fleet.updates[1]
    deployer.rollback(NAME)
    # The next update has the same variants.
    deployer.deploy(replace(both, instance_count=3), guards=Guards(strategy("canary", share=None, wait=None, keep=0)))
    assert "DeploymentConfig" in fleet.updates[3]


def test_refuses_the_same_model_as_challenger(clients: Clients, environment: Environment, published: Published) -> None:
    companion = Companion(version_of("1"), "Challenger", 0.5, shadow=False)
    with pytest.raises(InputError, match="is the same model as the one to deploy"):
        publish_beside(clients.s3, environment, published, companion)


def test_captured_data_is_stored_below_the_artifact_store(
    deployer: Deployer, clients: Clients, published: Published
) -> None:
    spec = replace(published.spec, capture_percent=20)
    assert spec.config_name != published.spec.config_name
    created = requests(clients)
    deployer.deploy(spec)
    capture = created[0]["DataCaptureConfig"]
    assert (capture["EnableCapture"], capture["InitialSamplingPercentage"]) == (True, 20)
    assert capture["DestinationS3Uri"] == f"s3://{BUCKET}/captured"
    assert [option["CaptureMode"] for option in capture["CaptureOptions"]] == ["Input", "Output"]


def serve_two(clients: Clients, fleet: Fleet) -> list[dict[str, Any]]:
    """Let the endpoint have two variants. Returns the requests that change weights."""
    weight_changes: list[dict[str, Any]] = []
    variants = [{"VariantName": name, "CurrentWeight": 0.5} for name in ("AllTraffic", "Challenger")]

    def describe(parsed: dict[str, Any], **_: Any) -> None:
        parsed["ProductionVariants"] = variants

    def shift(params: dict[str, Any], **_: Any) -> None:
        weight_changes.append(params)

    events = clients.sagemaker.meta.events
    events.register("after-call.sagemaker.DescribeEndpoint", describe)
    events.register("before-parameter-build.sagemaker.UpdateEndpointWeightsAndCapacities", shift)
    events.register(
        "before-call.sagemaker.UpdateEndpointWeightsAndCapacities",
        lambda **_: fleet._AddTags({"Tags": []}),
    )
    return weight_changes


def test_shifting_weights_changes_only_those_that_are_given(
    deployer: Deployer, clients: Clients, published: Published, fleet: Fleet
) -> None:
    deployer.deploy(published.spec)
    weight_changes = serve_two(clients, fleet)
    before = deployer.shift(NAME, {"Challenger": 1.0}, dry_run=True)
    assert (set(before), weight_changes) == ({"AllTraffic", "Challenger"}, [])
    deployer.shift(NAME, {"Challenger": 1.0})
    (request,) = weight_changes
    assert request["DesiredWeightsAndCapacities"] == [{"VariantName": "Challenger", "DesiredWeight": 1.0}]


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ({"Nobody": 0.5}, r"has no variant 'Nobody' \(it has: AllTraffic, Challenger\)"),
        ({"AllTraffic": 0.0, "Challenger": 0.0}, "no variant of .* would get requests"),
    ],
)
def test_refuses_weights_that_are_not_possible(
    deployer: Deployer, clients: Clients, published: Published, fleet: Fleet, weights: Any, complaint: str
) -> None:
    deployer.deploy(published.spec)
    weight_changes = serve_two(clients, fleet)
    with pytest.raises(InputError, match=complaint):
        deployer.shift(NAME, weights)
    assert not weight_changes


def test_weights_need_an_endpoint(deployer: Deployer) -> None:
    with pytest.raises(PreconditionError, match="is not there, so its weights cannot change"):
        deployer.shift(NAME, {"Challenger": 0.5})


def test_weights_that_a_variant_has_already_are_no_change() -> None:
    before = {"AllTraffic": 1.0, "Challenger": 0.10000000149011612}
    assert changed_weights(before, {"AllTraffic": 1.0, "Challenger": 0.1}) == {}
    assert changed_weights(before, {"AllTraffic": 0.9, "Challenger": 0.1}) == {"AllTraffic": 0.9}


@pytest.mark.parametrize("pair", ["Challenger", "=0.5", "Challenger=much", "Challenger=1.5", "Challenger=-1"])
def test_refuses_what_is_no_weight(pair: str) -> None:
    with pytest.raises(InputError, match="--shift takes NAME=WEIGHT"):
        parse_weights([pair])


def test_refuses_two_weights_for_one_variant() -> None:
    assert parse_weights(["A=0.5", "B=1"]) == {"A": 0.5, "B": 1.0}
    with pytest.raises(InputError, match="names the variant A twice"):
        parse_weights(["A=0.5", "A=0.6"])
