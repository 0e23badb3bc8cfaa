"""What an environment's endpoints serve: model, version, run, weight and instances of each variant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from mlflow_platform.endpoints.smoke import is_test
from mlflow_platform.endpoints.state import ServedModel, find_config, is_missing, readable_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment


@dataclass(frozen=True)
class ServedVariant:
    """A variant of an endpoint. `weight` is its share of the requests from 0 to 1; a shadow variant has none.

    `instances` is None for a serverless variant.
    """

    endpoint: str
    status: str
    variant: str
    model: ServedModel
    weight: float | None
    instances: int | None
    shadow: bool = False


def serving(sagemaker: SageMakerClient, environment: Environment) -> tuple[list[ServedVariant], list[str]]:
    """Every variant of every endpoint of the environment, by name, and the names of endpoints that may be its own.

    The latter have tags that these credentials may not read. Temporary endpoints of smoke tests are left out.
    """
    pages = sagemaker.get_paginator("list_endpoints").paginate(SortBy="Name", SortOrder="Ascending")
    found: list[ServedVariant] = []
    unknown: list[str] = []
    for item in [item for page in pages for item in page["Endpoints"]]:
        name = item["EndpointName"]
        tags = readable_tags(sagemaker, item["EndpointArn"])
        if tags is None:
            unknown.append(name)
        elif not is_test(tags) and environment.tags.items() <= tags.items():
            found.extend(variants_of(sagemaker, name))
    return found, unknown


def variants_of(sagemaker: SageMakerClient, endpoint: str) -> list[ServedVariant]:
    """The variants of one endpoint; none if it does not exist, or has failed and has no configuration any more.

    An endpoint also serves after its configuration was deleted. Then it is not known which models it serves.
    """
    try:
        described: Any = sagemaker.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if is_missing(error):
            return []
        raise
    config = find_config(sagemaker, described.get("EndpointConfigName", "")) or described
    found = []
    for key, shadow in (("ProductionVariants", False), ("ShadowProductionVariants", True)):
        running = {variant["VariantName"]: variant for variant in described.get(key, [])}
        weights = {name: variant.get("CurrentWeight", 1.0) for name, variant in running.items()}
        total = sum(weights.values()) or 1.0
        for variant in config.get(key, []):
            name = variant["VariantName"]
            found.append(
                ServedVariant(
                    endpoint,
                    described["EndpointStatus"],
                    name,
                    _model(sagemaker, variant.get("ModelName")),
                    None if shadow else round(weights.get(name, 0.0) / total, 4),
                    running.get(name, {}).get("CurrentInstanceCount"),
                    shadow,
                )
            )
    return found


def aliases_of(client: MlflowClient, variants: Iterable[ServedVariant]) -> dict[tuple[str, str], list[str]]:
    """The aliases of the served model versions, by name and version. A deleted version has none."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in sorted({variant.model.name for variant in variants if variant.model.name}):
        for alias, version in _registered_aliases(client, name):
            found.setdefault((name, version), []).append(alias)
    return found


def report(variants: Iterable[ServedVariant], aliases: Mapping[tuple[str, str], list[str]]) -> list[dict[str, Any]]:
    """The variants as rows of plain values."""
    return [
        {
            "endpoint": variant.endpoint,
            "status": variant.status,
            "variant": variant.variant,
            "shadow": variant.shadow,
            "model": variant.model.name or variant.model.uri,
            "version": variant.model.version,
            "aliases": aliases.get((variant.model.name or "", variant.model.version or ""), []),
            "run_id": variant.model.run_id,
            "weight": variant.weight,
            "instances": variant.instances,
        }
        for variant in variants
    ]


def columns(rows: list[dict[str, Any]]) -> list[str]:
    """The rows as aligned lines of text, below a line with the names."""
    names = list(rows[0])
    texts = [names, *([_text(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[at]) for line in texts) for at in range(len(names))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in texts]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "-"
    return "-" if value is None else str(value)


def _registered_aliases(client: MlflowClient, name: str) -> list[tuple[str, str]]:
    from mlflow.exceptions import MlflowException

    try:
        return sorted((alias, str(version)) for alias, version in client.get_registered_model(name).aliases.items())
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return []


def _model(sagemaker: SageMakerClient, name: str | None) -> ServedModel:
    if name is None:
        return ServedModel(None, None, None, None)
    try:
        arn = sagemaker.describe_model(ModelName=name)["ModelArn"]
    except ClientError as error:
        if is_missing(error):
            return ServedModel(None, None, None, None)
        raise
    return ServedModel.from_tags(readable_tags(sagemaker, arn) or {})
