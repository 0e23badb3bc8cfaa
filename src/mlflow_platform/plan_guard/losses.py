"""Counts what a destroy would delete, in the tracking servers and in the buckets, and refuses to lose it silently."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import PreconditionError, error_code, explain
from mlflow_platform.environment import EnvironmentRef, TrackingServer
from mlflow_platform.paging import all_results
from mlflow_platform.plan_guard import app_stacks
from mlflow_platform.plan_guard.changes import BUCKET, DOMAIN, OBJECT, SERVER, Change, TerraformPlan

if TYPE_CHECKING:
    from boto3 import Session
    from mypy_boto3_s3 import S3Client

# Counting stops at this many of a kind, so that a destroy never lists for hours.
MOST = 100_000
_PAGE = 1000
# The variable of a root that lets a destroy empty its buckets. Prod's root has none.
_SWITCH = "dangerously_delete_data_on_destroy"


@dataclass(frozen=True)
class ServerContents:
    """The contents of a tracking server or an App; `problem` says why they could not be counted.

    `others` is whether it has traces or logged models, which need no run. They are looked for if there are no runs.
    """

    name: str
    experiments: int = 0
    runs: int = 0
    models: int = 0
    others: bool = False
    problem: str = ""
    kind: str = "tracking server"

    @property
    def holds(self) -> bool:
        """Whether there is anything to lose. The experiment Default exists in every server; empty, it is not a loss."""
        return bool(self.problem or self.runs or self.models or self.experiments > 1 or self.others)

    def __str__(self) -> str:
        if self.problem:
            return f"the contents of {self.kind} {self.name} cannot be counted: {self.problem}"
        return (
            f"{self.kind} {self.name}: {_count(self.experiments, 'experiment')}, {_count(self.runs, 'run')}, "
            f"{_count(self.models, 'registered model')}{', traces or logged models' if self.others else ''}"
        )


@dataclass(frozen=True)
class BucketContents:
    """The contents of a bucket: its current objects, and all versions, which prevent its deletion."""

    name: str
    objects: int
    versions: int
    size: int
    emptied: bool

    @property
    def holds(self) -> bool:
        """Whether it contains anything, delete markers included."""
        return self.versions > 0

    def __str__(self) -> str:
        return (
            f"bucket {self.name}: {_count(self.objects, 'object')} in {_count(self.versions, 'version')}, "
            f"{_size(self.size)}{', to be deleted with it' if self.emptied and self.holds else ''}"
        )


@dataclass(frozen=True)
class DomainFiles:
    """The files of a Studio domain's users, which AWS deletes with the domain. They cannot be counted from here."""

    name: str
    holds = True

    def __str__(self) -> str:
        return f"Studio domain {self.name}: its users' files"


@dataclass(frozen=True)
class Uncounted:
    """A resource of another provider or a stack: nothing here counts what it holds."""

    name: str
    kind: str
    holds = True

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: what is in there was not counted"


def servers(plan: TerraformPlan) -> list[Change]:
    """The tracking servers and stacks with MLflow Apps that the plan deletes."""
    return [change for change in plan.changes if (change.type == SERVER or change.is_app) and change.loses_it]


def buckets(plan: TerraformPlan) -> list[Change]:
    """The buckets that the plan deletes."""
    return [change for change in plan.changes if change.type == BUCKET and change.loses_it]


def domains(plan: TerraformPlan) -> list[DomainFiles]:
    """The Studio domains that the plan deletes with the files of their users. Other domains leave them in EFS.

    The retention policy says so: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_RetentionPolicy.html
    """
    return [
        DomainFiles(change.name)
        for change in plan.changes
        if change.type == DOMAIN and change.loses_it
        for policy in change.before.get("retention_policy") or []
        if policy.get("home_efs_file_system") == "Delete"
    ]


def planned_objects(plan: TerraformPlan, bucket: str) -> frozenset[str]:
    """The keys of the objects in a bucket that the plan itself deletes, with all their versions."""
    return frozenset(
        str(change.before.get("key"))
        for change in plan.changes
        if change.type == OBJECT and change.loses_it and change.before.get("bucket") == bucket
    )


def bucket_contents(change: Change, s3: S3Client, *, without: Collection[str] = ()) -> BucketContents:
    """Count a bucket's objects and versions, without those of the keys in `without`."""
    name = change.before["bucket"]
    objects = versions = size = 0
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=name)
    try:
        for page in pages:
            stored = [version for version in page.get("Versions", []) if version["Key"] not in without]
            markers = [marker for marker in page.get("DeleteMarkers", []) if marker["Key"] not in without]
            objects += sum(1 for version in stored if version["IsLatest"])
            versions += len(stored) + len(markers)
            size += sum(version["Size"] for version in stored)
            if versions >= MOST:
                break
    except s3.exceptions.ClientError as error:
        if error_code(error) != "NoSuchBucket":
            raise
    return BucketContents(name, objects, versions, size, emptied=bool(change.before.get("force_destroy")))


def server_contents(change: Change, session: Session, environment: EnvironmentRef) -> ServerContents:
    """Count a tracking server's experiments, runs and models through its REST API.

    If the server does not answer (stopped, unreachable, access denied), the reason is returned instead.
    """
    from mlflow_platform import tracking, tracking_server

    server = _server(change, environment)
    kind = tracking_server.APP if change.is_app else "tracking server"
    if not server.arn:
        return ServerContents(server.name, problem=f"no output of stack {change.name} has its ARN", kind=kind)
    try:
        tracking_server.require_running(session.client("sagemaker"), server)
        client: Any = tracking.connect(server, session, ["experiments", "runs"])
        experiments = list(_all(client.search_experiments, view_type=3))
        runs = 0
        for start in range(0, len(experiments), 100):
            ids = [experiment.experiment_id for experiment in experiments[start : start + 100]]
            runs += sum(1 for _ in _all(client.search_runs, experiment_ids=ids, run_view_type=3))
        return ServerContents(
            name=server.name,
            experiments=len(experiments),
            runs=runs,
            models=sum(1 for _ in _all(client.search_registered_models)),
            others=not runs and _has_others(client, [experiment.experiment_id for experiment in experiments]),
            kind=kind,
        )
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        return ServerContents(server.name, problem=known.message, kind=kind)


def check(
    plan: TerraformPlan,
    contents: Sequence[ServerContents | BucketContents | DomainFiles | Uncounted],
    confirmed: Collection[str],
    *,
    command: str,
) -> None:
    """Check that everything that would be lost is confirmed.

    Raises:
        PreconditionError: a bucket contains objects and may not be emptied, or a loss is not confirmed by name.
    """
    kept = [found for found in contents if isinstance(found, BucketContents) and found.holds and not found.emptied]
    if kept:
        which = ", ".join(f"bucket {found.name}" for found in kept)
        # A plan lists all variables of its root, so a variable that is missing cannot be set.
        permission = (
            f'allow the deletion of the rest with `make apply {command} ARGS="-var {_SWITCH}=true"`'
            if _SWITCH in plan.variables
            else 'empty it as docs/guides/runbook.md says under "Emptying a bucket"'
        )
        raise PreconditionError(
            f"{which} still contains objects, so nothing was destroyed. Copy what you need, then {permission}, "
            "and try again."
        )
    holding = [found for found in contents if found.holds]
    if any(found.name not in confirmed for found in holding):
        names = ",".join(found.name for found in holding)
        raise PreconditionError(
            f"nothing was destroyed: {'; '.join(map(str, holding))}. "
            f"To delete it anyway, confirm it with CONFIRM={names}"
        )


def _has_others(client: Any, experiments: list[str]) -> bool:
    """Whether there are traces or logged models. A server of an older MLflow has no such calls."""
    from mlflow.exceptions import MlflowException

    searches: tuple[Callable[[list[str]], Any], ...] = (
        lambda ids: client.search_traces(locations=ids, max_results=1, include_spans=False),
        lambda ids: client.search_logged_models(experiment_ids=ids, max_results=1),
    )
    for search in searches:
        try:
            if any(search(experiments[start : start + 100]) for start in range(0, len(experiments), 100)):
                return True
        except MlflowException as error:
            if error.error_code != "ENDPOINT_NOT_FOUND":
                raise
    return False


def _server(change: Change, environment: EnvironmentRef) -> TrackingServer:
    """The tracking server or App as the plan describes it: outputs may be gone half-way through a destroy."""
    if change.is_app:
        arn = app_stacks.arn_of(change.before) or ""
        return TrackingServer(arn, app_stacks.name_of(change.before), "", environment)
    return TrackingServer(
        arn=str(change.before["arn"]),
        name=str(change.before["tracking_server_name"]),
        mlflow_version=str(change.before["mlflow_version"]),
        environment=environment,
    )


def _all(search: Any, **given: Any) -> Iterator[Any]:
    """Everything that one of MLflow's searches finds, up to MOST."""
    return islice(all_results(search, max_results=_PAGE, **given), MOST)


def _count(number: int, what: str) -> str:
    return f"{'more than ' if number >= MOST else ''}{number:,} {what}{'' if number == 1 else 's'}"


def _size(size: int) -> str:
    amount, units = float(size), ["bytes", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if units[0] == "bytes" else f"{amount:.1f} {units[0]}"
