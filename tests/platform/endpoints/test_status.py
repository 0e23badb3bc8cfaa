"""What serves where: endpoints as rows, and the tags of the model versions."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mlflow.exceptions import MlflowException

from mlflow_platform.endpoints import state
from mlflow_platform.endpoints.creation import ensure_resources
from mlflow_platform.endpoints.resources import Clients
from mlflow_platform.endpoints.state import ServedModel, read_tags
from mlflow_platform.endpoints.status import ServedVariant, aliases_of, columns, report, serving
from mlflow_platform.endpoints.write_back import tag_of, write_back
from mlflow_platform.environment import Environment
from scripts.deploy_model import Here
from tests.platform.endpoints.deployed import NAME, named


def variant(version: str | None, name: str = "AllTraffic", model: str | None = "iris") -> ServedVariant:
    served = ServedModel(f"models:/{model}/{version}", model, version, "run")
    return ServedVariant(NAME, "InService", name, served, 1.0, 1)


def deploy(clients: Clients, environment: Environment, version: str, *, tags: dict[str, str] | None = None) -> None:
    """An endpoint in moto; `tags` replace the environment's."""
    spec = named(environment, "iris", version)
    spec = replace(spec, endpoint=f"{NAME}-{version}")
    ensure_resources(clients.sagemaker, spec)
    listed: Any = [{"Key": key, "Value": value} for key, value in (environment.tags if tags is None else tags).items()]
    clients.sagemaker.create_endpoint(EndpointName=spec.endpoint, EndpointConfigName=spec.config_name, Tags=listed)


def test_shows_the_endpoints_of_the_environment_only(clients: Clients, environment: Environment) -> None:
    deploy(clients, environment, "1")
    deploy(clients, environment, "2", tags={"project": "mlflow", "environment": "prod"})
    deploy(clients, environment, "3", tags=environment.tags | {"purpose": "smoke-test"})
    variants, unknown = serving(clients.sagemaker, environment)
    assert unknown == []
    (row,) = report(variants, {("iris", "1"): ["champion"]})
    assert row | {"instances": 1} == {
        "endpoint": f"{NAME}-1",
        "status": "InService",
        "variant": "AllTraffic",
        "shadow": False,
        "model": "iris",
        "version": "1",
        "aliases": ["champion"],
        "run_id": "r1",
        "weight": 1.0,
        "instances": 1,
    }


def test_an_endpoint_without_its_configuration_is_shown(clients: Clients, environment: Environment) -> None:
    deploy(clients, environment, "1")
    used = clients.sagemaker.describe_endpoint(EndpointName=f"{NAME}-1")["EndpointConfigName"]
    clients.sagemaker.delete_endpoint_config(EndpointConfigName=used)
    (row,) = report(serving(clients.sagemaker, environment)[0], {})
    assert (row["endpoint"], row["status"], row["variant"], row["model"]) == (
        f"{NAME}-1",
        "InService",
        "AllTraffic",
        None,
    )


def test_an_endpoint_whose_tags_may_not_be_read_is_named(
    clients: Clients, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(clients, environment, "1")
    deploy(clients, environment, "2")

    def read(sagemaker: Any, arn: str) -> dict[str, str]:
        if arn.endswith("-2"):
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "ListTags")
        return read_tags(sagemaker, arn)

    monkeypatch.setattr(state, "read_tags", read)
    variants, unknown = serving(clients.sagemaker, environment)
    assert ([one.endpoint for one in variants], unknown) == ([f"{NAME}-1"], [f"{NAME}-2"])


def test_rows_are_aligned_columns() -> None:
    lines = columns(report([variant("1"), variant(None, "Other", None)], {}))
    assert lines[0].startswith("endpoint")
    assert all(line.index("InService") == lines[0].index("status") for line in lines[1:])


@pytest.fixture
def registry(mlflow_here: Any) -> Any:
    client = mlflow_here.MlflowClient()
    for name, count in (("iris", 3), ("it's", 1)):
        client.create_registered_model(name)
        for number in range(count):
            client.create_model_version(name, f"s3://bucket/{number}")
    return client


def tags_of(registry: Any, name: str = "iris") -> dict[str, str]:
    found = registry.search_model_versions(f'name = "{name}"')
    return {str(one.version): one.tags[tag_of(NAME)] for one in found if tag_of(NAME) in one.tags}


def test_the_served_versions_are_tagged_once_and_others_lose_the_tag(registry: Any) -> None:
    assert len(list(write_back(registry, NAME, [variant("1")]))) == 1
    assert list(write_back(registry, NAME, [variant("1")])) == []
    assert tags_of(registry) == {"1": "AllTraffic"}
    list(write_back(registry, NAME, [variant("2"), variant("3", "Challenger"), variant("3", "Shadow")]))
    assert tags_of(registry) == {"2": "AllTraffic", "3": "Challenger, Shadow"}
    list(write_back(registry, NAME, [variant("1", model="it's")]))
    assert tags_of(registry) == {}
    assert tags_of(registry, "it's") == {"1": "AllTraffic"}
    list(write_back(registry, NAME, []))
    assert tags_of(registry, "it's") == {}


def test_a_served_version_that_was_deleted_gets_no_tag_and_the_others_do(registry: Any) -> None:
    registry.delete_model_version("iris", "1")
    found = list(write_back(registry, NAME, [variant("1"), variant("2", "B"), variant("1", "C", model="gone")]))
    assert [line for line in found if "is not in the registry any more" in line] == [found[0], found[1]]
    assert tags_of(registry) == {"2": "B"}


class Faulty:
    """A registry whose calls fail: the one with that number once, or all from it on."""

    def __init__(self, registry: Any, number: int, *, always: bool, error: Exception) -> None:
        self._registry, self._number, self._always, self._error = registry, number, always, error
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == self._number or (self._always and self.calls > self._number):
                raise self._error
            return getattr(self._registry, name)(*given, **options)

        return call


def run_write_back(registry: Any, variants: Any, environment: Environment) -> list[str]:
    """What `deploy_model.py` shows after a deployment, with this registry."""
    lines: list[str] = []
    session: Any = SimpleNamespace(client=lambda _: None)
    here = Here(SimpleNamespace(progress=lines.append), environment, session)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Here, "client", lambda _: registry)
        patch.setattr("mlflow_platform.endpoints.status.variants_of", variants)
        here.write_back(NAME, tagged=True, repair="Run the same command again.")
    return lines


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize(
    "error", [MlflowException("down"), RuntimeError("broken\npipe"), ConnectionResetError(104, "reset")]
)
def test_any_call_of_the_registry_may_fail_after_a_deployment(
    registry: Any, environment: Environment, error: Exception, always: bool
) -> None:
    now = [variant("2"), variant("3", "B")]
    for number in range(1, 5):
        for version in ("1", "2", "3"):
            registry.set_model_version_tag("iris", version, tag_of(NAME), "old")
        faulty = Faulty(registry, number, always=always, error=error)
        lines = run_write_back(faulty, lambda *_: now, environment)
        assert faulty.calls == number
        assert lines[-1].startswith(f"the work on {NAME} is done, but the registry's tags may not say so: ")
        assert lines[-1].endswith(". Run the same command again.")
        assert "\n" not in lines[-1]
        # Exactly the changes before the failure are shown.
        assert len(lines) == max(1, number - 1)
        assert run_write_back(registry, lambda *_: now, environment)
        assert tags_of(registry) == {"2": "AllTraffic", "3": "B"}


def test_what_serves_cannot_be_described_after_a_deployment(registry: Any, environment: Environment) -> None:
    def denied(*_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeEndpoint")

    (line,) = run_write_back(registry, denied, environment)
    assert "is done, but the registry's tags may not say so: AWS denies DescribeEndpoint: no. Run" in line


def test_the_tags_of_other_endpoints_stay(registry: Any) -> None:
    registry.set_model_version_tag("iris", "2", tag_of("another"), "AllTraffic")
    list(write_back(registry, NAME, [variant("1")]))
    assert registry.get_model_version("iris", "2").tags == {tag_of("another"): "AllTraffic"}


def test_aliases_belong_to_a_version(registry: Any) -> None:
    registry.set_registered_model_alias("iris", "champion", "1")
    assert aliases_of(registry, [variant("1"), variant("2"), variant("1", model="deleted")]) == {
        ("iris", "1"): ["champion"]
    }
