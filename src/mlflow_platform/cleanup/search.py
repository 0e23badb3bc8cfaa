"""Finds everything that a clean-up would delete, and everything that it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import PreconditionError, is_denied
from mlflow_common.waiting import Progress
from mlflow_platform.cleanup.hosting import add_references, read_hosting, select_leftovers
from mlflow_platform.cleanup.images import select_images
from mlflow_platform.cleanup.items import IMAGES, ORPHANS, RUN_KINDS, TRACKING_KINDS, Criteria, Found
from mlflow_platform.cleanup.objects import Folder, owned_folders, sum_of
from mlflow_platform.cleanup.references import References
from mlflow_platform.cleanup.run_selection import RunSelection, Store
from mlflow_platform.cleanup.tracking_contents import Contents, read_contents, registered

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment


@dataclass(frozen=True)
class Access:
    """The clients that a clean-up needs. `mlflow` is None if no kind of the tracking server is wanted."""

    sagemaker: SageMakerClient
    s3: S3Client
    ecr: ECRClient
    mlflow: MlflowClient | None


def search(access: Access, environment: Environment, criteria: Criteria, progress: Progress) -> Found:
    """Find what the criteria select and nothing refers to. Changes nothing.

    Raises:
        InputError: a given experiment does not exist.
        PreconditionError: what refers to something cannot be determined.
    """
    found = Found()
    tracked = _read_tracked(access, environment, progress) if criteria.kinds & TRACKING_KINDS else None
    # After what takes long, so that a deployment meanwhile is seen.
    progress("reading endpoints, configurations and models")
    hosting = read_hosting(access.sagemaker, environment)
    select_leftovers(access.s3, environment, hosting, criteria, found)
    if IMAGES in criteria.kinds:
        if environment.serving_repository:
            progress("reading the image repository")
            select_images(access.ecr, access.sagemaker, environment, hosting, criteria, found)
        else:
            found.skipped[IMAGES] = f"{environment.name} has no image repository"
    if tracked is not None:
        folders, contents, references = tracked
        add_references(references, environment, hosting, found)
        store = Store(environment.artifact_store, folders, lambda uri: sum_of(access.s3, uri))
        selection = RunSelection(contents, references, store, criteria)
        if criteria.kinds & RUN_KINDS:
            selection.select(found)
        if ORPHANS in criteria.kinds:
            _orphans(access, environment, criteria, selection, found)
    found.sort()
    return found


def _read_tracked(
    access: Access, environment: Environment, progress: Progress
) -> tuple[Mapping[str, Folder], Contents, References] | None:
    """The folders of artifacts, what the tracking server knows, and what its registry protects."""
    if access.mlflow is None:
        return None
    # Objects are listed before runs: a run is created before its first artifact, so a folder that has no run in the
    # later list is an orphan and not a new run's.
    progress(f"listing the artifacts in {environment.artifact_store}")
    folders = owned_folders(access.s3, environment.artifact_store)
    progress(f"reading the runs of {environment.server.name}")
    return folders, read_contents(access.mlflow), registered(access.mlflow)


def _orphans(
    access: Access,
    environment: Environment,
    criteria: Criteria,
    selection: RunSelection,
    found: Found,
) -> None:
    servers, unknown_servers = _servers_beside(access.sagemaker, environment)
    apps, unknown_apps = _apps_beside(access.sagemaker, environment)
    others, unknown = [*servers, *apps], [*unknown_servers, *unknown_apps]
    if criteria.tags:
        found.skipped[ORPHANS] = "artifacts without a run have no tags"
    elif others:
        found.skipped[ORPHANS] = (
            f"{', '.join(others)} may store artifacts in {environment.artifact_store} too; retire old servers first"
        )
    elif unknown:
        found.skipped[ORPHANS] = (
            f"{', '.join(unknown)} cannot be described, and may store artifacts in {environment.artifact_store} too; "
            "use a role that may list and describe all tracking servers and MLflow Apps"
        )
    else:
        selection.select_orphans(found)


def _servers_beside(sagemaker: SageMakerClient, environment: Environment) -> tuple[list[str], list[str]]:
    """The other tracking servers whose artifact store overlaps the environment's, and those with an unknown one."""
    pages: Any = sagemaker.get_paginator("list_mlflow_tracking_servers").paginate()
    names = [one["TrackingServerName"] for page in pages for one in page["TrackingServerSummaries"]]
    found, unknown = [], []
    for name in names:
        if name == environment.server.name:
            continue
        try:
            store = sagemaker.describe_mlflow_tracking_server(TrackingServerName=name)["ArtifactStoreUri"].rstrip("/")
        except sagemaker.exceptions.ResourceNotFound:
            continue
        except sagemaker.exceptions.ClientError:
            # A server that may not be described may store its artifacts anywhere.
            if name.startswith(environment.prefix):
                raise PreconditionError(
                    f"the tracking server {name} cannot be described. Use an admin's role."
                ) from None
            unknown.append(name)
            continue
        if _overlaps(store, environment):
            found.append(name)
    return found, unknown


def _apps_beside(sagemaker: SageMakerClient, environment: Environment) -> tuple[list[str], list[str]]:
    """The other MLflow Apps whose artifact store overlaps the environment's, and those with an unknown one."""
    pages: Any = sagemaker.get_paginator("list_mlflow_apps").paginate()
    found, unknown = [], []
    try:
        apps = [(one["Arn"], one["Name"]) for page in pages for one in page["Summaries"]]
    except sagemaker.exceptions.ClientError as error:
        if not is_denied(error):
            raise
        return [], ["MLflow Apps (sagemaker:ListMlflowApps is denied)"]
    for arn, name in apps:
        if arn == environment.server.arn:
            continue
        try:
            store = sagemaker.describe_mlflow_app(Arn=arn)["ArtifactStoreUri"].rstrip("/")
        except sagemaker.exceptions.ResourceNotFound:
            continue
        except sagemaker.exceptions.ClientError as error:
            if not is_denied(error):
                raise
            unknown.append(name)
            continue
        if _overlaps(store, environment):
            found.append(name)
    return found, unknown


def _overlaps(store: str, environment: Environment) -> bool:
    ours = f"{environment.artifact_store}/"
    return f"{store}/".startswith(ours) or ours.startswith(f"{store}/")
