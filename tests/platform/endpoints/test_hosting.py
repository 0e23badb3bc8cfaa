"""Serverless capacity, VPC, key and tags: what is accepted, and which requests AWS gets."""

from dataclasses import replace
from typing import Any

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.endpoints import hosting, variants
from mlflow_platform.endpoints.creation import create_single, ensure_resources
from mlflow_platform.endpoints.hosting import Network, Serverless
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.publishing import Hosting, publish
from mlflow_platform.endpoints.resources import Clients
from mlflow_platform.endpoints.specification import EndpointSpec
from mlflow_platform.environment import Environment
from tests.platform.conftest import BUCKET

NETWORK = Network(("subnet-0a", "subnet-0b"), ("sg-0",))


def spec_of(clients: Clients, environment: Environment, **changes: Any) -> EndpointSpec:
    clients.s3.put_object(Bucket=BUCKET, Key="model/MLmodel", Body=b"run_id: null\n")
    found = Hosting("image", "ml.m5.large", 1, **changes)
    model = Model("models:/iris/1", f"s3://{BUCKET}/model", "iris", "1")
    return publish(clients.s3, environment, "mlflow-staging-iris", model, found).spec


def requests_of(clients: Clients, operation: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    event = f"provide-client-params.sagemaker.{operation}"
    clients.sagemaker.meta.events.register(event, lambda params, **_: found.append(dict(params)))
    return found


def test_a_serverless_variant_has_no_instances(clients: Clients, environment: Environment) -> None:
    spec = spec_of(clients, environment, serverless=Serverless(2048, 20))
    configs = requests_of(clients, "CreateEndpointConfig")
    ensure_resources(clients.sagemaker, spec)
    create_single(clients.sagemaker, spec, "mlflow-staging-iris-test", spec.tags)
    for config in configs:
        (variant,) = config["ProductionVariants"]
        assert variant["ServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 20}
        assert not {"InstanceType", "InitialInstanceCount"} & set(variant)


def test_network_key_and_tags_reach_aws(clients: Clients, environment: Environment) -> None:
    spec = spec_of(clients, environment, network=NETWORK, kms_key="alias/volumes", tags={"team": "blue"})
    models, configs = requests_of(clients, "CreateModel"), requests_of(clients, "CreateEndpointConfig")
    ensure_resources(clients.sagemaker, spec)
    create_single(clients.sagemaker, spec, "mlflow-staging-iris-test", spec.tags)
    assert models[0]["VpcConfig"] == {"Subnets": ["subnet-0a", "subnet-0b"], "SecurityGroupIds": ["sg-0"]}
    assert [config["KmsKeyId"] for config in configs] == ["alias/volumes"] * 2
    for request in (*models, *configs):
        assert {"Key": "team", "Value": "blue"} in request["Tags"]


def test_every_setting_gives_another_configuration(clients: Clients, environment: Environment) -> None:
    spec = spec_of(clients, environment)
    changed = [
        replace(spec, serverless=Serverless(1024)),
        replace(spec, serverless=Serverless(1024, 6)),
        replace(spec, network=NETWORK),
        replace(spec, kms_key="alias/volumes"),
    ]
    assert len({one.config_name for one in (spec, *changed)}) == 5
    # Which network a container is in belongs to the model.
    assert [one.model_name != spec.model_name for one in changed] == [False, False, True, False]


@pytest.mark.parametrize("text", ["1000", "7168", "2048:0", "2048:201", "2GB", "2048:x", ""])
def test_refuses_sizes_that_aws_does_not_have(text: str) -> None:
    with pytest.raises(InputError, match="--serverless"):
        hosting.parse_serverless(text)
    assert hosting.parse_serverless("4096:7") == Serverless(4096, 7)


def test_serverless_excludes_what_aws_excludes() -> None:
    with pytest.raises(InputError, match="serverless endpoints have no --capture, --subnet"):
        hosting.check_combination(Serverless(1024), {"--capture": True, "--shadow": False, "--subnet": True})
    hosting.check_combination(None, {"--capture": True})


@pytest.mark.parametrize("pair", ["team", "=x", "project=other", "aws:x=1", "model-uri=x", "a=" + "x" * 257, "a=b;c"])
def test_refuses_tags_that_are_reserved_or_malformed(pair: str) -> None:
    with pytest.raises(InputError, match="--tag"):
        hosting.parse_tags([pair])


def test_several_named_variants_are_read_and_checked_together() -> None:
    found = variants.beside(["B=models:/iris@next:0.2", "C=models:/iris/7:0.3"], "models:/iris/8", None, 0.1)
    assert [(one.name, one.uri, one.weight) for one in found] == [
        ("B", "models:/iris@next", 0.2),
        ("C", "models:/iris/7", 0.3),
        ("Challenger", "models:/iris/8", 0.1),
    ]


@pytest.mark.parametrize(
    ("texts", "challenger", "shadow", "message"),
    [
        (["B=models:/iris/7"], None, None, "takes NAME=MODEL:WEIGHT"),
        (["models:/iris/7:0.2"], None, None, "takes NAME=MODEL:WEIGHT"),
        (["B=iris:0.2"], None, None, "is not a model URI"),
        (["B=models:/iris/7:1"], None, None, "between 0 and 1"),
        (["AllTraffic=models:/iris/7:0.2"], None, None, "two variants are named AllTraffic"),
        (["B=models:/iris/7:0.2", "B=models:/iris/8:0.2"], None, None, "two variants are named B"),
        (["B=models:/iris/7:0.5", "C=models:/iris/8:0.5"], None, None, "leave requests for every model"),
        (["B=models:/iris/7:0.2"], None, "models:/iris/8", "one other variant only"),
        ([], "models:/iris/7", "models:/iris/8", "one other variant only"),
        ([f"V{n}=models:/iris/{n}:0.01" for n in range(10)], None, None, "at most 10 variants"),
    ],
)
def test_refuses_variants_that_do_not_fit(
    texts: list[str], challenger: str | None, shadow: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        variants.beside(texts, challenger, shadow, 0.1)


def test_a_network_needs_subnets_and_security_groups() -> None:
    with pytest.raises(InputError, match="go together"):
        hosting.parse_network(["subnet-0"], [])
    assert hosting.parse_network([], []) is None


@pytest.mark.parametrize(
    ("subnets", "groups", "complaint"),
    [
        (["sg-0"], ["subnet-0"], "--subnet takes an ID such as subnet-0123456789abcdef0, not 'sg-0'"),
        (["subnet-0"], ["default"], "--security-group takes an ID such as sg-"),
        ([""], ["sg-0"], "--subnet takes an ID"),
        (["subnet-0"], [f"sg-{number}" for number in range(6)], "given 6 times, and AWS takes at most 5"),
    ],
)
def test_what_is_no_subnet_or_security_group_is_refused(subnets: list[str], groups: list[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        hosting.parse_network(subnets, groups)


def test_a_key_has_one_of_the_names_that_aws_takes() -> None:
    key = "1234abcd-12ab-34cd-56ef-1234567890ab"
    arn = "arn:aws:kms:us-west-2:111122223333"
    for name in (None, key, f"mrk-{'0' * 32}", "alias/volumes", f"{arn}:key/{key}", f"{arn}:alias/volumes"):
        hosting.check_key(name)
    for name in ("", "volumes", "alias/", f"{arn}:role/{key}"):
        with pytest.raises(InputError, match="--kms-key takes the ID or the ARN of a key"):
            hosting.check_key(name)
