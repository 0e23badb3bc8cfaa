"""The resources that belong to an endpoint: configurations, models and archives. Finds and removes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_platform.endpoints.model_archive import split_uri
from mlflow_platform.endpoints.specification import archive_folder, belongs_to, stem
from mlflow_platform.endpoints.state import find_config, has_tags, is_missing

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    from mlflow_platform.environment import Environment


@dataclass(frozen=True)
class Clients:
    """The AWS clients that a deployment needs. `autoscaling` is that of Application Auto Scaling."""

    sagemaker: SageMakerClient
    s3: S3Client
    logs: CloudWatchLogsClient
    runtime: SageMakerRuntimeClient
    cloudwatch: Any
    autoscaling: Any


@dataclass(frozen=True)
class EndpointResources:
    """Names of configurations and models, and URIs of archives."""

    configs: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    archives: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.configs or self.models or self.archives)


def find_resources(clients: Clients, environment: Environment, endpoint: str) -> EndpointResources:
    """Find everything that belongs to an endpoint, in use or not."""
    bucket, prefix = split_uri(archive_folder(environment, endpoint))
    pages = clients.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    return EndpointResources(
        frozenset(config_names(clients.sagemaker, environment, endpoint)),
        frozenset(_model_names(clients.sagemaker, environment, endpoint)),
        frozenset(f"s3://{bucket}/{item['Key']}" for page in pages for item in page.get("Contents", [])),
    )


def config_names(sagemaker: SageMakerClient, environment: Environment, endpoint: str) -> set[str]:
    """The names of an endpoint's configurations."""
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=stem(endpoint))
    configs = [one for page in pages for one in page["EndpointConfigs"]]
    named = ((one["EndpointConfigName"], one["EndpointConfigArn"]) for one in configs)
    return _own(sagemaker, environment, endpoint, named)


def variant_names(sagemaker: SageMakerClient, config: str) -> set[str]:
    """The names of a configuration's variants that answer requests; none if it does not exist."""
    return {variant["VariantName"] for variant in find_config(sagemaker, config).get("ProductionVariants", [])}


def remove_resources(
    clients: Clients, environment: Environment, endpoint: str, unwanted: EndpointResources
) -> EndpointResources:
    """Remove configurations, the models that only they use, and the archives that only those models use.

    Resources that another configuration or model of the endpoint uses are kept. Returns what was removed. Removing
    is idempotent: what does not exist any more counts as removed.
    """
    sagemaker = clients.sagemaker
    found = find_resources(clients, environment, endpoint)
    configs = unwanted.configs & found.configs
    of_configs = _models_of(sagemaker, configs)
    models_in_use = _models_of(sagemaker, found.configs - configs)
    models = ((unwanted.models | of_configs) & found.models) - models_in_use
    of_models = _archives_of(sagemaker, models)
    archives_in_use = _archives_of(sagemaker, found.models - models)
    archives = ((unwanted.archives | of_models) & found.archives) - archives_in_use

    for name in sorted(configs):
        with _missing_ignored(sagemaker):
            sagemaker.delete_endpoint_config(EndpointConfigName=name)
    for name in sorted(models):
        with _missing_ignored(sagemaker):
            sagemaker.delete_model(ModelName=name)
    for uri in sorted(archives):
        bucket, key = split_uri(uri)
        clients.s3.delete_object(Bucket=bucket, Key=key)
    return EndpointResources(configs, models, archives)


def _model_names(sagemaker: SageMakerClient, environment: Environment, endpoint: str) -> set[str]:
    pages = sagemaker.get_paginator("list_models").paginate(NameContains=stem(endpoint))
    named = ((one["ModelName"], one["ModelArn"]) for page in pages for one in page["Models"])
    return _own(sagemaker, environment, endpoint, named)


def _own(
    sagemaker: SageMakerClient, environment: Environment, endpoint: str, named: Iterable[tuple[str, str]]
) -> set[str]:
    """The names of those resources, given with their ARNs, that belong to the endpoint and the environment."""
    return {name for name, arn in named if belongs_to(endpoint, name) and has_tags(sagemaker, arn, environment.tags)}


def _models_of(sagemaker: SageMakerClient, configs: Collection[str]) -> frozenset[str]:
    found: set[str] = set()
    for name in configs:
        config = find_config(sagemaker, name)
        variants = [*config.get("ProductionVariants", []), *config.get("ShadowProductionVariants", [])]
        found.update(variant["ModelName"] for variant in variants if "ModelName" in variant)
    return frozenset(found)


def _archives_of(sagemaker: SageMakerClient, models: Collection[str]) -> frozenset[str]:
    found: set[str] = set()
    for name in models:
        with _missing_ignored(sagemaker):
            url = sagemaker.describe_model(ModelName=name).get("PrimaryContainer", {}).get("ModelDataUrl")
            if url:
                found.add(url)
    return frozenset(found)


@contextmanager
def _missing_ignored(sagemaker: SageMakerClient) -> Iterator[None]:
    """Ignore that a resource does not exist: another process may have removed it since it was listed."""
    try:
        yield
    except sagemaker.exceptions.ClientError as error:
        if not is_missing(error):
            raise
