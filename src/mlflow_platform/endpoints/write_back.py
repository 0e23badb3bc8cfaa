"""Writes to the model registry where a model version is deployed: the tag `endpoint.NAME` of the version.

The value names the variants that serve the version. The tag is removed when the endpoint no longer serves the version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mlflow_platform.paging import all_results

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_platform.endpoints.status import ServedVariant

_PREFIX = "endpoint."
_UNKNOWN = "RESOURCE_DOES_NOT_EXIST"


def tag_of(endpoint: str) -> str:
    """The tag of a model version that an endpoint serves."""
    return f"{_PREFIX}{endpoint}"


def write_back(client: MlflowClient, endpoint: str, variants: Iterable[ServedVariant]) -> Iterator[str]:
    """Make the registry's tags say which versions an endpoint serves, whatever an earlier attempt has left.

    Yields each change when it is made, as "tagged models:/NAME/VERSION: TAG=VALUE".
    """
    wanted: dict[tuple[str, str], str] = {}
    for variant in variants:
        if variant.model.name and variant.model.version:
            key = (variant.model.name, variant.model.version)
            wanted[key] = f"{wanted[key]}, {variant.variant}" if key in wanted else variant.variant
    tag = tag_of(endpoint)
    found = all_results(client.search_model_versions, f"tags.`{tag}` LIKE '%'")
    current = {(version.name, str(version.version)): version.tags.get(tag) for version in found}
    for (name, version), value in sorted(wanted.items()):
        if current.get((name, version)) != value:
            yield _set(client, name, version, tag, value)
    for name, version in sorted(current.keys() - wanted.keys()):
        client.delete_model_version_tag(name, version, tag)
        yield f"tagged models:/{name}/{version}: {tag} removed"


def _set(client: MlflowClient, name: str, version: str, tag: str, value: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.set_model_version_tag(name, version, tag, value)
    except MlflowException as error:
        if error.error_code != _UNKNOWN:
            raise
        return f"models:/{name}/{version} is served, but is not in the registry any more, and gets no tag"
    return f"tagged models:/{name}/{version}: {tag}={value}"
