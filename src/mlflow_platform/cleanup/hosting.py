"""What serves models, and what no longer does: endpoints, their configurations, models and archives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import PreconditionError, is_denied
from mlflow_platform.cleanup.items import ARCHIVES, CONFIGS, MODELS, Criteria, Found, Item
from mlflow_platform.cleanup.objects import listed
from mlflow_platform.cleanup.references import References
from mlflow_platform.endpoints.specification import belongs_to
from mlflow_platform.endpoints.state import is_missing, is_own, readable_tags

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment


@dataclass(frozen=True)
class HostedModel:
    """A SageMaker model: its images, the S3 URIs of its data, and its tags; None if they may not be read."""

    name: str
    created: datetime
    images: frozenset[str]
    data: frozenset[str]
    tags: dict[str, str] | None
    own: bool


@dataclass(frozen=True)
class Config:
    """An endpoint configuration, and the models that it uses."""

    name: str
    created: datetime
    models: frozenset[str]
    own: bool


@dataclass
class Hosting:
    """All endpoints, configurations and models of the account and region.

    `endpoints` maps names to the configurations that are in use. `own` is the endpoints of the environment.
    """

    endpoints: dict[str, frozenset[str]] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    configs: list[Config] = field(default_factory=list)
    models: list[HostedModel] = field(default_factory=list)


def package_containers(described: Any) -> list[Any]:
    """The containers of a model package, as DescribeModelPackage returns it. A model may use any of them.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html (InferenceSpecificationName)
    """
    specifications = [described.get("InferenceSpecification", {})]
    specifications += described.get("AdditionalInferenceSpecifications") or []
    return [container for one in specifications for container in one.get("Containers", [])]


def read_hosting(sagemaker: SageMakerClient, environment: Environment) -> Hosting:
    """Read what the account hosts. All of it, because anything may use a model, an archive or an image.

    Raises:
        PreconditionError: something may not be described, so it is unknown what it uses.
    """
    return _Reader(sagemaker, environment).read()


def select_leftovers(
    s3: S3Client, environment: Environment, hosting: Hosting, criteria: Criteria, found: Found
) -> None:
    """Add configurations, models and archives that serve nothing, and note those that are kept.

    Every configuration of an endpoint that exists is kept, because `deploy_model.py --rollback` returns to it.
    """
    kept_configs = []
    for config in hosting.configs:
        if config.own and found.selects(criteria, CONFIGS, config.name, config.created):
            reason = _config_in_use(hosting, config.name)
            if reason is None:
                found.items.append(Item(CONFIGS, config.name, "belongs to no endpoint", config.created))
                continue
            found.keep(CONFIGS, config.name, reason)
        kept_configs.append(config)
    used = {name: config.name for config in kept_configs for name in config.models}
    kept_models = []
    for model in hosting.models:
        if model.own and found.selects(criteria, MODELS, model.name, model.created):
            reason = _model_in_use(hosting, model.name, used)
            if reason is None:
                found.items.append(Item(MODELS, model.name, _about(model), model.created))
                continue
            found.keep(MODELS, model.name, reason)
        kept_models.append(model)
    if ARCHIVES in criteria.kinds:
        data = {uri: model.name for model in kept_models for uri in model.data}
        _select_archives(s3, environment, data, criteria, found)


def add_references(references: References, environment: Environment, hosting: Hosting, found: Found) -> None:
    """Protect the runs and models that SageMaker models come from, except those models that are deleted themselves.

    Raises:
        PreconditionError: the tags of a model whose files are in the environment's store may not be read.
    """
    deleted = {item.name for item in found.items if item.kind == MODELS}
    for model in hosting.models:
        if model.name in deleted:
            continue
        in_store = [uri for uri in model.data if f"{uri}/".startswith(f"{environment.artifact_store}/")]
        if in_store and model.tags is None:
            raise PreconditionError(
                f"the tags of the model {model.name} may not be read, so it is unknown which run it serves. Use a role "
                "with sagemaker:ListTags on it, or leave out runs and orphans."
            )
        tags = model.tags or {}
        references.add(
            f"the SageMaker model {model.name} serves it", tags.get("run-id"), tags.get("model-uri"), *model.data
        )


def _select_archives(
    s3: S3Client, environment: Environment, data: dict[str, str], criteria: Criteria, found: Found
) -> None:
    folder = f"{environment.artifact_store}/endpoints"
    for one in listed(s3, folder):
        uri = f"s3://{environment.bucket}/{one['Key']}"
        if not found.selects(criteria, ARCHIVES, uri, one["LastModified"]):
            continue
        # A model's data may also be a folder.
        user = next(
            (name for used, name in data.items() if uri == used or uri.startswith(f"{used.rstrip('/')}/")), None
        )
        if user is None:
            detail = "no SageMaker model uses it"
            found.items.append(Item(ARCHIVES, uri, detail, one["LastModified"], one["Size"], 1))
        else:
            found.keep(ARCHIVES, uri, f"the SageMaker model {user} uses it")


def _config_in_use(hosting: Hosting, name: str) -> str | None:
    for endpoint, configs in hosting.endpoints.items():
        if name in configs:
            return f"the endpoint {endpoint} serves it"
        if belongs_to(endpoint, name):
            return f"it belongs to the endpoint {endpoint}, which can be rolled back to it"
    return None


def _model_in_use(hosting: Hosting, name: str, used: dict[str, str]) -> str | None:
    if name in used:
        return f"the configuration {used[name]} uses it"
    owner = next((endpoint for endpoint in hosting.endpoints if belongs_to(endpoint, name)), None)
    return None if owner is None else f"it belongs to the endpoint {owner}"


def _about(model: HostedModel) -> str:
    tags = model.tags or {}
    name, version = tags.get("model-name"), tags.get("model-version")
    return f"served {name} {version}" if name and version else "used by no configuration"


class _Reader:
    """Lists and describes everything; what disappears meanwhile is left out."""

    def __init__(self, sagemaker: SageMakerClient, environment: Environment) -> None:
        self._sagemaker = sagemaker
        self._environment = environment

    def read(self) -> Hosting:
        hosting = Hosting()
        for listing in self._pages("list_endpoints", "Endpoints"):
            name = listing["EndpointName"]
            if (seen := self._described("endpoint", name)) is not None:
                pending = seen.get("PendingDeploymentSummary", {}).get("EndpointConfigName")
                hosting.endpoints[name] = frozenset(filter(None, (seen.get("EndpointConfigName"), pending)))
        for listing in self._pages("list_endpoint_configs", "EndpointConfigs"):
            name = listing["EndpointConfigName"]
            if (seen := self._described("endpoint_config", name)) is not None:
                variants = [*seen["ProductionVariants"], *seen.get("ShadowProductionVariants", [])]
                models = frozenset(variant["ModelName"] for variant in variants if "ModelName" in variant)
                own = bool(is_own(self._sagemaker, self._environment, listing["EndpointConfigArn"]))
                hosting.configs.append(Config(name, listing["CreationTime"], models, own))
        for listing in self._pages("list_models", "Models"):
            name = listing["ModelName"]
            if (seen := self._described("model", name)) is not None:
                hosting.models.append(self._model(listing, seen))
        return hosting

    def _model(self, listing: Any, seen: Any) -> HostedModel:
        containers = [*filter(None, [seen.get("PrimaryContainer")]), *seen.get("Containers", [])]
        # A model that is made of a package does not name its images and its data itself. Packages of other accounts, as
        # those of AWS Marketplace, have nothing of this environment, and may not be described.
        named = [one["ModelPackageName"] for one in containers if one.get("ModelPackageName")]
        packages = [name for name in named if ":" not in name or name.split(":")[4] == self._environment.account]
        containers += [one for name in packages for one in self._containers_of(name)]
        data = {one.get("ModelDataUrl") for one in containers}
        sources = [one.get("ModelDataSource", {}) for one in containers]
        sources += [source for one in containers for source in one.get("AdditionalModelDataSources") or []]
        data |= {source.get("S3DataSource", {}).get("S3Uri") for source in sources}
        tags = readable_tags(self._sagemaker, listing["ModelArn"])
        return HostedModel(
            name=listing["ModelName"],
            created=listing["CreationTime"],
            images=frozenset(one["Image"] for one in containers if one.get("Image")),
            data=frozenset(filter(None, data)),
            tags=tags,
            own=self._environment.tags.items() <= (tags or {}).items(),
        )

    def _containers_of(self, package: str) -> list[Any]:
        return package_containers(self._described("model_package", package) or {})

    def _pages(self, operation: Any, member: str) -> list[Any]:
        pages = self._sagemaker.get_paginator(operation).paginate()
        return [one for page in pages for one in page[member]]

    def _described(self, kind: str, name: str) -> Any:
        parameter = f"{kind.title().replace('_', '')}Name"
        try:
            return getattr(self._sagemaker, f"describe_{kind}")(**{parameter: name})
        except self._sagemaker.exceptions.ClientError as error:
            if is_missing(error):
                return None
            if is_denied(error):
                what = kind.replace("_", " ")
                raise PreconditionError(
                    f"the {what} {name} cannot be described, so it is unknown what it uses. Use the role of an admin "
                    "of the environment, or leave out models, images and runs."
                ) from None
            raise
