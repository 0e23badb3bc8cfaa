"""What belongs to an endpoint besides itself: configurations, models, archives; finding and removing them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_platform.endpoints import model_archive as archive
from mlflow_platform.endpoints import specification as plan

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment


@dataclass(frozen=True)
class Clients:
    """The AWS clients that a deployment takes."""

    sagemaker: SageMakerClient
    s3: S3Client
    logs: CloudWatchLogsClient


@dataclass(frozen=True)
class Belongings:
    """Names of configurations and of models, and URIs of archives."""

    configs: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    archives: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.configs or self.models or self.archives)


def find(clients: Clients, environment: Environment, endpoint: str) -> Belongings:
    """Everything there is that belongs to an endpoint, whether it is in use or not."""
    bucket, prefix = archive.split_uri(plan.archive_folder(environment, endpoint))
    pages = clients.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    return Belongings(
        frozenset(configs(clients.sagemaker, endpoint)),
        frozenset(_models(clients.sagemaker, endpoint)),
        frozenset(f"s3://{bucket}/{item['Key']}" for page in pages for item in page.get("Contents", [])),
    )


def configs(sagemaker: SageMakerClient, endpoint: str) -> set[str]:
    """The names of the endpoint's configurations."""
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=plan.stem(endpoint))
    return _own(endpoint, (found["EndpointConfigName"] for page in pages for found in page["EndpointConfigs"]))


def remove(clients: Clients, environment: Environment, endpoint: str, unwanted: Belongings) -> Belongings:
    """Remove configurations, the models that only they use, and the archives that only those models use.

    What another configuration or model of the endpoint's still uses stays. Returns what was removed.
    """
    sagemaker = clients.sagemaker
    there = find(clients, environment, endpoint)
    gone_configs = unwanted.configs & there.configs
    of_gone = _models_of(sagemaker, gone_configs)
    in_use = _models_of(sagemaker, there.configs - gone_configs)
    gone_models = ((unwanted.models | of_gone) & there.models) - in_use
    archives_of_gone = _archives_of(sagemaker, gone_models)
    archives_in_use = _archives_of(sagemaker, there.models - gone_models)
    gone_archives = ((unwanted.archives | archives_of_gone) & there.archives) - archives_in_use

    for config in sorted(gone_configs):
        sagemaker.delete_endpoint_config(EndpointConfigName=config)
    for model in sorted(gone_models):
        sagemaker.delete_model(ModelName=model)
    for uri in sorted(gone_archives):
        bucket, key = archive.split_uri(uri)
        clients.s3.delete_object(Bucket=bucket, Key=key)
    return Belongings(gone_configs, gone_models, gone_archives)


def _models(sagemaker: SageMakerClient, endpoint: str) -> set[str]:
    pages = sagemaker.get_paginator("list_models").paginate(NameContains=plan.stem(endpoint))
    return _own(endpoint, (found["ModelName"] for page in pages for found in page["Models"]))


def _own(endpoint: str, names: Iterable[str]) -> set[str]:
    return {name for name in names if plan.is_named_for(endpoint, name)}


def _models_of(sagemaker: SageMakerClient, names: Collection[str]) -> frozenset[str]:
    return frozenset(
        variant["ModelName"]
        for name in names
        for variant in sagemaker.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
        if "ModelName" in variant
    )


def _archives_of(sagemaker: SageMakerClient, names: Collection[str]) -> frozenset[str]:
    containers = (sagemaker.describe_model(ModelName=name).get("PrimaryContainer", {}) for name in names)
    return frozenset(url for container in containers if (url := container.get("ModelDataUrl")))
