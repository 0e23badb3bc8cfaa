"""Specifications that the tests of deployments deploy, and the resources that they create."""

from dataclasses import replace

from mlflow_platform.endpoints.resources import EndpointResources
from mlflow_platform.endpoints.specification import EndpointSpec, archive_uri
from mlflow_platform.endpoints.tags import encode
from mlflow_platform.environment import Environment

NAME = "mlflow-staging-iris"
OLD = f"{NAME}-0000000000"
CHANGES = {"CreateEndpoint", "UpdateEndpoint", "DeleteEndpoint", "AddTags", "DeleteTags"}


def spec_of(environment: Environment, version: str, *, digest: str = "") -> EndpointSpec:
    return EndpointSpec(
        endpoint=NAME,
        archive_uri=archive_uri(environment, NAME, digest or version * 64),
        image="123456789012.dkr.ecr.us-east-1.amazonaws.com/mlflow-pyfunc:3.17.2",
        role=environment.endpoint_role,
        instance_type="ml.m5.large",
        instance_count=1,
        tags=environment.tags | {"model-uri": f"models:/iris/{version}", "model-version": version, "run-id": "r1"},
    )


def everything_of(*specs: EndpointSpec) -> EndpointResources:
    return EndpointResources(
        frozenset(spec.config_name for spec in specs),
        frozenset(spec.model_name for spec in specs),
        frozenset(spec.archive_uri for spec in specs),
    )


def named(environment: Environment, name: str | None, version: str = "1") -> EndpointSpec:
    """A specification for another registered model, or for one that is not registered."""
    spec = spec_of(environment, version)
    return replace(spec, tags=dict(spec.tags) | ({"model-name": encode(name)} if name else {}))
