"""What a proof leaves outside Terraform's state: finds it by the environment's name, deletes it, lists the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import error_code
from mlflow_platform.endpoints.state import is_missing

if TYPE_CHECKING:
    from mlflow_platform.proving.target import Target

# Each kind of what the scripts create with the environment's name: list operation, its key, name, delete operation.
_NAMED = (
    ("endpoint", "list_endpoints", "Endpoints", "EndpointName", "delete_endpoint"),
    (
        "endpoint configuration",
        "list_endpoint_configs",
        "EndpointConfigs",
        "EndpointConfigName",
        "delete_endpoint_config",
    ),
    ("model", "list_models", "Models", "ModelName", "delete_model"),
)
_DIGEST = 6


def delete_leftovers(target: Target) -> str:
    """Delete endpoints, their configurations, models and model packages of the environment, and its Apps."""
    sagemaker = target.client("sagemaker")
    deleted = 0
    for _, listing, key, name, delete in _NAMED:
        for found in _names(sagemaker, target, listing, key, name):
            _ignoring_missing(sagemaker, delete, {name: found})
            deleted += 1
    for group in _groups(sagemaker, target):
        for page in sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group):
            for package in page["ModelPackageSummaryList"]:
                _ignoring_missing(sagemaker, "delete_model_package", {"ModelPackageName": package["ModelPackageArn"]})
        _ignoring_missing(sagemaker, "delete_model_package_group", {"ModelPackageGroupName": group})
        deleted += 1
    for arn in _apps(sagemaker, target):
        _ignoring_missing(sagemaker, "delete_mlflow_app", {"Arn": arn})
        deleted += 1
    return f"{deleted} deleted"


def leftovers(target: Target) -> list[str]:
    """What still exists with the environment's name, each with its kind."""
    sagemaker, s3 = target.client("sagemaker"), target.client("s3")
    found = [
        f"{kind} {each}"
        for kind, listing, key, name, _ in _NAMED
        for each in _names(sagemaker, target, listing, key, name)
    ]
    found += [f"model package group {each}" for each in _groups(sagemaker, target)]
    found += [f"MLflow App {each}" for each in _apps(sagemaker, target)]
    servers = sagemaker.get_paginator("list_mlflow_tracking_servers").paginate()
    found += [
        f"tracking server {each['TrackingServerName']}"
        for page in servers
        for each in page["TrackingServerSummaries"]
        if each["TrackingServerName"].startswith(target.stem)
    ]
    found += [f"bucket {each['Name']}" for each in s3.list_buckets()["Buckets"] if each["Name"].startswith(target.stem)]
    roles = target.client("iam").get_paginator("list_roles").paginate()
    found += [
        f"role {each['RoleName']}"
        for page in roles
        for each in page["Roles"]
        if each["RoleName"].startswith(target.stem)
    ]
    return found


def _names(sagemaker: Any, target: Target, listing: str, key: str, name: str) -> Iterator[str]:
    pages = sagemaker.get_paginator(listing).paginate(NameContains=target.environment)
    # Listed completely before the first is deleted.
    yield from [one[name] for page in pages for one in page[key] if target.environment in one[name]]


def _groups(sagemaker: Any, target: Target) -> list[str]:
    """The groups of promotions have the environment's name; automatic registration adds a digest of the server's."""
    endings = tuple(
        f"-{hashlib.sha256(server.encode()).hexdigest()[:_DIGEST]}" for server in target.server_names if server
    )
    pages = sagemaker.get_paginator("list_model_package_groups").paginate()
    names = [one["ModelPackageGroupName"] for page in pages for one in page["ModelPackageGroupSummaryList"]]
    return [name for name in names if target.environment in name or (endings and name.endswith(endings))]


def _apps(sagemaker: Any, target: Target) -> list[str]:
    """The ARNs of the environment's Apps that are not being deleted already."""
    try:
        pages = list(sagemaker.get_paginator("list_mlflow_apps").paginate())
    except sagemaker.exceptions.ClientError as error:
        # A region without Apps has none to delete.
        if error_code(error) in {"UnknownOperationException", "ValidationException"}:
            return []
        raise
    return [
        one["Arn"]
        for page in pages
        for one in page["Summaries"]
        if target.environment in one["Name"] and one["Status"] not in {"Deleting", "Deleted"}
    ]


def _ignoring_missing(sagemaker: Any, operation: str, given: dict[str, str]) -> None:
    try:
        getattr(sagemaker, operation)(**given)
    except sagemaker.exceptions.ClientError as error:
        if not is_missing(error):
            raise
