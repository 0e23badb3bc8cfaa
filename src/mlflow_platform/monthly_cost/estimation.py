"""Reads what is deployed and estimates each part; a part that may not be read is named with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import error_message, is_denied
from mlflow_platform.endpoints.model_archive import split_uri
from mlflow_platform.monthly_cost.builds import build_lines
from mlflow_platform.monthly_cost.endpoints import endpoint_lines
from mlflow_platform.monthly_cost.fixed import fixed_lines, schedule_of
from mlflow_platform.monthly_cost.lines import BUILDS, ENDPOINTS, OTHER, SERVERS, STORAGE, CostEstimate, CostLine
from mlflow_platform.monthly_cost.months import Months
from mlflow_platform.monthly_cost.servers import server_lines
from mlflow_platform.monthly_cost.storage import bucket_lines, image_lines
from mlflow_platform.plan_guard.changes import BUCKET, SERVER
from mlflow_platform.plan_guard.cost import Prices
from mlflow_platform.tracking_server import APP

if TYPE_CHECKING:
    from mlflow_platform.doctor.terraform_state import TerraformState
    from mlflow_platform.environment import Environment

_BUILD_PROJECT = "aws_codebuild_project"
Client = Callable[[str], Any]


@dataclass(frozen=True)
class CostInputs:
    """What an estimate needs. `client` makes AWS clients by service. `state` is None if it cannot be read from here."""

    environment: Environment
    client: Client
    state: TerraformState | None
    prices: Prices
    months: Months


def estimate_costs(given: CostInputs, progress: Callable[[str], None]) -> CostEstimate:
    """Estimate what the environment costs this month and next, as it is deployed now."""
    environment, prices, months = given.environment, given.prices, given.months
    found = CostEstimate()
    sagemaker = given.client("sagemaker")

    def part(name: str, work: Callable[[], Iterable[CostLine]]) -> None:
        try:
            found.lines += work()
        except Exception as error:
            if not is_denied(error):
                raise
            found.not_examined[name] = error_message(error).rstrip(".")

    progress("reading the tracking servers")
    schedule = None if given.state is None else schedule_of(given.state)
    if environment.server.is_app:
        found.lines.append(CostLine(SERVERS, f"{APP} {environment.server.name}", "no charge of its own", 0.0, 0.0))
    if servers := _servers(given):
        part(SERVERS, lambda: server_lines(sagemaker, servers, schedule, prices, months))
    progress("reading the endpoints")
    part(ENDPOINTS, lambda: endpoint_lines(sagemaker, environment, prices, months))
    progress("adding up what is stored")
    for uri in _stores(given):
        part(f"{STORAGE} in {uri}", lambda uri=uri: bucket_lines(given.client("s3"), uri, prices, environment.region))  # type: ignore[misc]
    if environment.serving_repository:
        name = environment.serving_repository.partition("/")[2]
        part(f"{STORAGE} of images", lambda: image_lines(given.client("ecr"), name, prices, environment.region))
    for project in _build_projects(given):
        part(
            f"{BUILDS} of {project}",
            lambda project=project: build_lines(  # type: ignore[misc]
                given.client("codebuild"), project, prices, environment.region, months
            ),
        )
    if given.state is None:
        found.not_examined[OTHER] = (
            "Terraform's state cannot be read from here, so keys, alarms, network endpoints, builds of backups and "
            "deliveries and servers of other MLflow versions are missing, and the server counts as always running"
        )
    else:
        found.lines += fixed_lines(given.state, prices, environment.region)
    return found


def _servers(given: CostInputs) -> list[str]:
    deployed = [] if given.state is None else [str(one["tracking_server_name"]) for one in given.state.of_type(SERVER)]
    active = given.environment.server
    return sorted({*deployed, *([] if active.is_app else [active.name])})


def _build_projects(given: CostInputs) -> list[str]:
    """The CodeBuild projects: that of images, and those of backups and deliveries that Terraform made."""
    deployed = [] if given.state is None else [str(one["name"]) for one in given.state.of_type(_BUILD_PROJECT)]
    return sorted({*deployed, *filter(None, [given.environment.image_build_project])})


def _stores(given: CostInputs) -> list[str]:
    """The artifact store, and the other buckets that Terraform made (logs and copies)."""
    store = given.environment.artifact_store
    deployed = [] if given.state is None else [str(one["bucket"]) for one in given.state.of_type(BUCKET)]
    return [store, *(f"s3://{name}" for name in sorted(set(deployed) - {split_uri(store)[0]}))]
