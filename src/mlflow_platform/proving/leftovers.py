"""What a proof leaves outside Terraform's state: finds it by the environment's name, deletes it, lists the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import PlatformError, error_code, first_line
from mlflow_common.waiting import wait_for
from mlflow_platform import tracking_server
from mlflow_platform.endpoints import container_log
from mlflow_platform.endpoints.state import CHANGING as ENDPOINT_CHANGING
from mlflow_platform.endpoints.state import is_missing

if TYPE_CHECKING:
    from mlflow_platform.proving.target import Target

# An endpoint is created or updated in that time.
SETTLE_MINUTES = 15
_DIGEST = 6


@dataclass(frozen=True)
class Leftover:
    """A resource that still exists. `command` deletes it; it is empty if Terraform created the resource."""

    kind: str
    name: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class _Kind:
    """A kind of resource that scripts create: how its resources are found, and how one is deleted.

    Attributes:
        find: returns the names, or ARNs, with a client of `service`.
        parameter: the parameter of the operation `delete` that names the resource.
        status: describes the resource's state, if AWS refuses the deletion in the states `changing`.
    """

    name: str
    find: Callable[[Any, Target], list[str]]
    delete: str
    parameter: str
    status: Callable[[Any, str], str] | None = None
    changing: frozenset[str] = frozenset()
    service: str = "sagemaker"

    def command(self, resource: str, region: str) -> str:
        """The command of the AWS CLI that deletes a resource."""
        words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in self.parameter)
        return f"aws {self.service} {self.delete.replace('_', '-')} --{words.lstrip('-')} {resource} --region {region}"


def delete_leftovers(target: Target) -> str:
    """Delete endpoints, their configurations, models and model packages of the environment, and its Apps.

    A resource that cannot be deleted does not prevent the deletion of the others.

    Raises:
        PlatformError: something was not deleted.
    """
    return _delete(target, _KINDS)


def delete_logs(target: Target) -> str:
    """Delete the log groups of the environment's endpoints, after the endpoints: they write until they are deleted.

    Raises:
        PlatformError: something was not deleted.
    """
    return _delete(target, [_LOG_GROUP])


def _delete(target: Target, kinds: Sequence[_Kind]) -> str:
    deadline = target.clock.now() + SETTLE_MINUTES * 60.0
    deleted, problems = 0, []
    for kind in kinds:
        client = target.client(kind.service)
        try:
            found = kind.find(client, target)
        except client.exceptions.ClientError as error:
            problems.append(f"{kind.name}s cannot be listed: {first_line(error)}")
            continue
        for resource in found:
            try:
                _wait_until_settled(target, kind, resource, deadline)
                _ignoring_missing(client, kind.delete, {kind.parameter: resource})
                deleted += 1
            except PlatformError as error:
                problems.append(error.message)
            except client.exceptions.ClientError as error:
                problems.append(f"{kind.name} {resource}: {first_line(error)}")
    if problems:
        raise PlatformError(f"{deleted} deleted, {len(problems)} not: {'; '.join(problems)}")
    return f"{deleted} deleted"


def leftovers(target: Target) -> list[Leftover]:
    """What still exists with the environment's name."""
    sagemaker, s3 = target.client("sagemaker"), target.client("s3")
    found = [
        Leftover(kind.name, each, kind.command(each, target.region))
        for kind in (*_KINDS, _LOG_GROUP)
        for each in kind.find(target.client(kind.service), target)
    ]
    servers = sagemaker.get_paginator("list_mlflow_tracking_servers").paginate()
    found += [
        Leftover("tracking server", each["TrackingServerName"])
        for page in servers
        for each in page["TrackingServerSummaries"]
        if each["TrackingServerName"].startswith(target.stem)
    ]
    buckets = s3.list_buckets()["Buckets"]
    found += [Leftover("bucket", each["Name"]) for each in buckets if each["Name"].startswith(target.stem)]
    roles = target.client("iam").get_paginator("list_roles").paginate()
    found += [
        Leftover("role", each["RoleName"])
        for page in roles
        for each in page["Roles"]
        if target.stem in each["RoleName"]  # After global_name_prefix.
    ]
    return found


def registered_groups(sagemaker: Any, target: Target) -> list[str]:
    """The model package groups that automatic registration made for the environment's servers.

    Their names end with a digest of the server's.
    """
    endings = tuple(f"-{hashlib.sha256(server.encode()).hexdigest()[:_DIGEST]}" for server in target.server_names)
    return [name for name in _all_groups(sagemaker) if endings and name.endswith(endings)]


def packages_of(sagemaker: Any, group: str) -> list[str]:
    """The ARNs of all model packages in a group."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    return [package["ModelPackageArn"] for page in pages for package in page["ModelPackageSummaryList"]]


def _named(listing: str, key: str, name: str) -> Callable[[Any, Target], list[str]]:
    """Finds the resources with the environment's name."""

    def find(sagemaker: Any, target: Target) -> list[str]:
        pages = sagemaker.get_paginator(listing).paginate(NameContains=target.environment)
        return [one[name] for page in pages for one in page[key] if target.environment in one[name]]

    return find


def _all_groups(sagemaker: Any) -> Iterator[str]:
    for page in sagemaker.get_paginator("list_model_package_groups").paginate():
        yield from (one["ModelPackageGroupName"] for one in page["ModelPackageGroupSummaryList"])


def _groups(sagemaker: Any, target: Target) -> list[str]:
    """The groups of promotions have the environment's name; those of automatic registration a digest."""
    promoted = [name for name in _all_groups(sagemaker) if target.environment in name]
    return list(dict.fromkeys([*promoted, *registered_groups(sagemaker, target)]))


def _packages(sagemaker: Any, target: Target) -> list[str]:
    return [package for group in _groups(sagemaker, target) for package in packages_of(sagemaker, group)]


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


def _endpoint_status(sagemaker: Any, name: str) -> str:
    try:
        return str(sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"])
    except sagemaker.exceptions.ClientError as error:
        if not is_missing(error):
            raise
        return "deleted"


def _app_status(sagemaker: Any, arn: str) -> str:
    found = tracking_server.find_app(sagemaker, arn)
    return found.status if found else "deleted"


def _log_groups(logs: Any, target: Target) -> list[str]:
    prefix = container_log.group(f"{target.stem}-")
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    return [one["logGroupName"] for page in pages for one in page["logGroups"]]


# Endpoints before what they use, and packages before their groups.
_KINDS = (
    _Kind(
        "endpoint",
        _named("list_endpoints", "Endpoints", "EndpointName"),
        "delete_endpoint",
        "EndpointName",
        _endpoint_status,
        ENDPOINT_CHANGING,
    ),
    _Kind(
        "endpoint configuration",
        _named("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
        "delete_endpoint_config",
        "EndpointConfigName",
    ),
    _Kind("model", _named("list_models", "Models", "ModelName"), "delete_model", "ModelName"),
    _Kind("model package", _packages, "delete_model_package", "ModelPackageName"),
    _Kind("model package group", _groups, "delete_model_package_group", "ModelPackageGroupName"),
    _Kind("MLflow App", _apps, "delete_mlflow_app", "Arn", _app_status, tracking_server.CHANGING),
)
# SageMaker creates them, so Terraform does not delete them.
_LOG_GROUP = _Kind("log group", _log_groups, "delete_log_group", "logGroupName", service="logs")


def _wait_until_settled(target: Target, kind: _Kind, resource: str, deadline: float) -> None:
    if kind.status is None:
        return
    status, client = kind.status, target.client(kind.service)
    wait_for(
        lambda: status(client, resource),
        settled=lambda seen: seen not in kind.changing,
        describe=lambda seen: f"{kind.name} {resource}: {seen}",
        progress=target.progress,
        clock=target.clock,
        timeout=max(0.0, deadline - target.clock.now()),
    )


def _ignoring_missing(client: Any, operation: str, given: dict[str, str]) -> None:
    try:
        getattr(client, operation)(**given)
    except client.exceptions.ClientError as error:
        if not is_missing(error):
            raise
