"""Deletes what a search found, one item after the other, and says what is left if something fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlflow_common.errors import PlatformError, reason
from mlflow_common.waiting import Progress
from mlflow_platform.cleanup.images import repository_name
from mlflow_platform.cleanup.items import ARCHIVES, CONFIGS, IMAGES, MODELS, RUN_KINDS, Item, Kept
from mlflow_platform.cleanup.objects import delete_below
from mlflow_platform.cleanup.search import Access
from mlflow_platform.endpoints.model_archive import split_uri
from mlflow_platform.endpoints.state import is_missing

if TYPE_CHECKING:
    from mlflow_platform.environment import Environment

# After this many failures in a row, the cause is not the item.
_IN_A_ROW = 3


@dataclass
class Outcome:
    """What was deleted, what was kept after all, and the reason for each item that could not be deleted."""

    deleted: list[Item] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    left: list[tuple[Item, str]] = field(default_factory=list)

    def check(self, again: str) -> None:
        """Check that nothing is left.

        Raises:
            PlatformError: something is left; the details name every item.
        """
        if self.left:
            raise PlatformError(
                f"{len(self.left)} of {len(self.left) + len(self.deleted)} items are left: "
                f"{self.left[0][1].rstrip('.')}. Remove the cause, then run {again} again to resume.",
                [f"{item}: {why}" for item, why in self.left],
            )


def delete(access: Access, environment: Environment, items: Sequence[Item], progress: Progress) -> Outcome:
    """Delete items in their order. Deleting is idempotent: what does not exist any more counts as deleted."""
    outcome, failures = Outcome(), 0
    for number, item in enumerate(items):
        if failures == _IN_A_ROW:
            outcome.left += [(one, "not tried, after three failures in a row") for one in items[number:]]
            break
        progress(f"deleting {item} ({number + 1} of {len(items)})")
        try:
            kept = _registered_since(access, item)
            if kept is None:
                _delete(access, environment, item)
        except Exception as error:
            outcome.left.append((item, reason(error)))
            failures += 1
            continue
        failures = 0
        if kept is None:
            outcome.deleted.append(item)
        else:
            outcome.kept.append(Kept(item.kind, item.name, kept))
    return outcome


def _registered_since(access: Access, item: Item) -> str | None:
    """The reason to keep a run that was registered after the search; None if it was not."""
    if item.kind not in RUN_KINDS or access.mlflow is None:
        return None
    versions = access.mlflow.search_model_versions(f"run_id='{item.name}'", max_results=1)
    return f"registered as models:/{versions[0].name}/{versions[0].version}" if versions else None


def _delete(access: Access, environment: Environment, item: Item) -> None:
    sagemaker, name = access.sagemaker, item.name
    match item.kind:
        case kind if kind == CONFIGS:
            _unless_missing(lambda: sagemaker.delete_endpoint_config(EndpointConfigName=name))
        case kind if kind == MODELS:
            _unless_missing(lambda: sagemaker.delete_model(ModelName=name))
        case kind if kind == ARCHIVES:
            bucket, key = split_uri(name)
            access.s3.delete_object(Bucket=bucket, Key=key)
        case kind if kind == IMAGES:
            _delete_image(access, environment, name)
        case _:
            _delete_run(access, item)


def _delete_run(access: Access, item: Item) -> None:
    """Mark a run as deleted, delete its artifacts, and mark its models as deleted.

    In this order, so that the next clean-up finds what an interruption leaves: a deleted run with artifacts or models.
    """
    if access.mlflow is not None and item.kind in RUN_KINDS and not item.marked:
        access.mlflow.delete_run(item.name)
    for folder in item.folders:
        delete_below(access.s3, folder)
    if access.mlflow is not None:
        for model in item.models:
            access.mlflow.delete_logged_model(model)


def _delete_image(access: Access, environment: Environment, digest: str) -> None:
    answer = access.ecr.batch_delete_image(
        repositoryName=repository_name(environment), imageIds=[{"imageDigest": digest}]
    )
    for failure in answer.get("failures", []):
        if failure.get("failureCode") != "ImageNotFound":
            raise PlatformError(
                f"ECR does not delete the image ({failure.get('failureCode')}): {failure.get('failureReason')}"
            )


def _unless_missing(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception as error:
        if not is_missing(error):
            raise
