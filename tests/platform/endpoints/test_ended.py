"""A deployment says which settings of the endpoint it ends."""

from dataclasses import replace
from typing import Any

from mlflow_platform.endpoints.creation import ensure_resources
from mlflow_platform.endpoints.ended import ended_settings
from mlflow_platform.endpoints.hosting import Asynchronous, Network, Serverless
from mlflow_platform.endpoints.resources import Clients
from mlflow_platform.endpoints.specification import OtherVariant
from mlflow_platform.environment import Environment
from tests.platform.endpoints.deployed import NAME, spec_of
from tests.platform.endpoints.fleet import Fleet, Step

QUEUE = Asynchronous("s3://bucket/async/out", "s3://bucket/async/failed")


def test_what_a_deployment_does_not_name_ends(clients: Clients, environment: Environment, fleet: Fleet) -> None:
    plain = spec_of(environment, "1")
    assert ended_settings(clients.sagemaker, plain) == []
    capture = replace(plain, capture_percent=50, capture_uri="s3://bucket/captured", kms_key="alias/volumes")
    queued, serverless = replace(capture, asynchronous=QUEUE), replace(plain, serverless=Serverless(1024))
    for spec, ended in ((queued, ["--async", "--capture", "--kms-key"]), (serverless, ["--serverless"]), (plain, [])):
        ensure_resources(clients.sagemaker, spec)
        fleet.serve(NAME, Step("InService", spec.config_name), tags=dict(spec.tags))
        assert ended_settings(clients.sagemaker, plain) == ended
        assert ended_settings(clients.sagemaker, spec) == []
    fleet.serve(NAME, Step("InService", "gone"), tags={})
    assert ended_settings(clients.sagemaker, plain) == []


def test_the_network_the_variants_and_the_instances_end_too(
    clients: Clients, environment: Environment, fleet: Fleet
) -> None:
    plain = spec_of(environment, "1")
    other = OtherVariant("Challenger", "s3://bucket/a", plain.tags, 0.1)
    network = Network(("subnet-1",), ("sg-1",))
    two = replace(other, name="B")
    four = replace(plain, network=network, instance_type="ml.c5.large", instance_count=4, others=(other, two))
    instances = ["--instance-type ml.c5.large", "--instance-count 4"]
    ensure_resources(clients.sagemaker, four)
    fleet.serve(NAME, Step("InService", four.config_name), tags=dict(four.tags))
    others = ["--subnet", "--variant B", "--challenger"]
    assert sorted(ended_settings(clients.sagemaker, plain)) == sorted([*others, *instances])
    assert sorted(ended_settings(clients.sagemaker, plain, {"--instance-type", "--instance-count"})) == sorted(others)
    assert ended_settings(clients.sagemaker, four) == []

    def add_shadow(parsed: dict[str, Any], **_: Any) -> None:
        parsed["ShadowProductionVariants"] = [{"VariantName": "Shadow"}]

    # moto keeps no shadow variants.
    clients.sagemaker.meta.events.register("after-call.sagemaker.DescribeEndpointConfig", add_shadow)
    assert ended_settings(clients.sagemaker, four) == ["--shadow"]
    shadow = replace(other, name="Shadow", shadow=True)
    assert ended_settings(clients.sagemaker, replace(four, others=(*four.others, shadow))) == []
