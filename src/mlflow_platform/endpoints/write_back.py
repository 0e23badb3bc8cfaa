"""Writes to the model registry where a model version is deployed: the tag `endpoint.NAME` of the version.

The value names the variants that serve the version. The tag is removed when the endpoint no longer serves the version.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_platform.endpoints.status import ServedVariant

_PREFIX = "endpoint."


def tag_of(endpoint: str) -> str:
    """The tag of a model version that an endpoint serves."""
    return f"{_PREFIX}{endpoint}"


def write_back(
    client: MlflowClient, endpoint: str, variants: Iterable[ServedVariant], formerly: Iterable[str]
) -> list[str]:
    """Make the registry's tags say which versions an endpoint serves. Idempotent.

    Args:
        variants: what the endpoint serves now.
        formerly: the names of registered models that it may have served before.

    Returns the changes, as "models:/NAME/VERSION: TAG=VALUE" and "models:/NAME/VERSION: TAG removed".
    """
    wanted: dict[tuple[str, str], str] = {}
    for variant in variants:
        if variant.model.name and variant.model.version:
            key = (variant.model.name, variant.model.version)
            wanted[key] = f"{wanted[key]}, {variant.variant}" if key in wanted else variant.variant
    tag, changes = tag_of(endpoint), []
    for name in sorted({name for name, _ in wanted} | set(formerly)):
        # MLflow's filters have no escape: a name is quoted with the quotes that it does not contain itself.
        quote = '"' if "'" in name else "'"
        for version in client.search_model_versions(f"name = {quote}{name}{quote}"):
            value, current = wanted.get((name, str(version.version))), version.tags.get(tag)
            if value == current:
                continue
            if value is None:
                client.delete_model_version_tag(name, str(version.version), tag)
            else:
                client.set_model_version_tag(name, str(version.version), tag, value)
            changes.append(f"models:/{name}/{version.version}: {f'{tag}={value}' if value else f'{tag} removed'}")
    return changes
