"""The life cycle of endpoints: creation, blue/green update and deletion, as SageMaker performs them after API calls."""

import logging
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self
from weakref import WeakSet

from localaws.alarms import Alarms
from localaws.endpoints import image
from localaws.endpoints.capture import CaptureSettings, CaptureWriter, Origin
from localaws.endpoints.container import Container
from localaws.endpoints.environment import interpreter
from localaws.endpoints.fleet import Fleet, Member
from localaws.endpoints.logs import ContainerLog
from localaws.endpoints.model_data import fetch
from localaws.endpoints.reasons import DeploymentError, ping_failed
from localaws.endpoints.role import HOSTING, RoleClients
from localaws.endpoints.rollout import Rollout
from localaws.endpoints.shift import Incoming, TrafficShift
from localaws.errors import AwsError
from localaws.iam.trust import sagemaker_source
from localaws.principals import Principals
from localaws.processes import Processes, StoppingError
from localaws.settings import Settings
from localaws.venvs import BuildError, Venvs

# The default of ContainerStartupHealthCheckTimeoutInSeconds.
STARTUP_SECONDS = 240.0
# The status of an endpoint whose containers restart after `up`. On AWS, it means that the endpoint is in maintenance.
RESUMING = "SystemUpdating"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variant:
    """A production variant and its model, as they were when the deployment was requested.

    Attributes:
        env: the model's Environment.
        state: current and desired weight and instance count, as DescribeEndpoint returns them.
    """

    name: str
    image: str
    model_data: str
    env: dict[str, str]
    role: str
    startup_seconds: float
    state: dict[str, Any]

    @property
    def instances(self) -> int:
        """The number of instances; 1 for a serverless variant."""
        return int(self.state.get("DesiredInstanceCount", 1))


@dataclass(frozen=True)
class Deployment:
    """An endpoint configuration that is being deployed or is in service.

    Attributes:
        settings: the DeploymentConfig.
        capture: the DataCaptureConfig.
    """

    config_name: str
    variants: list[Variant]
    settings: dict[str, Any] | None = None
    capture: dict[str, Any] | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Self:
        """Create a deployment from JSON."""
        variants = [Variant(**variant) for variant in saved["variants"]]
        return cls(**{**saved, "variants": variants, "started": datetime.fromisoformat(saved["started"])})

    def rollout(self) -> Rollout:
        """Return how an update to this deployment moves the traffic.

        Raises:
            AwsError: ValidationException.
        """
        return Rollout.of(self.settings, min(variant.instances for variant in self.variants))

    def saved(self) -> dict[str, Any]:
        """Return the deployment as JSON for `load`."""
        return {**asdict(self), "started": self.started.isoformat()}


@dataclass
class Endpoint:
    """An endpoint. Its name, status, tags and times are in `record`, moto's object."""

    record: Any
    live: Deployment | None = None
    pending: Deployment | None = None
    fleet: Fleet = field(default_factory=Fleet)
    incoming: Incoming | None = None

    def saved(self) -> dict[str, Any]:
        """Return the endpoint as JSON, without `record`, which is saved with moto's resources."""
        resuming = self.pending if self.record.endpoint_status == RESUMING else None
        deployment = self.live or resuming
        return {"arn": self.record.arn, "deployment": deployment.saved() if deployment else None}


@dataclass(frozen=True)
class Target:
    """Where an invocation is sent, and what its metrics are recorded for."""

    variant: str
    config_name: str
    instances: int
    port: int
    token: str
    origin: Origin | None = None


class Endpoints:
    """All endpoints of one localaws. Each deployment runs in its own thread."""

    def __init__(
        self, settings: Settings, principals: Principals, processes: Processes, venvs: Venvs, alarms: Alarms
    ) -> None:
        self._settings = settings
        self._alarms = alarms
        self._stopping = threading.Event()
        self.captured = CaptureWriter(lambda region, role: self._role_clients(region, role).s3)
        self._principals = principals
        self._processes = processes
        self._venvs = venvs
        self._endpoints: dict[str, Endpoint] = {}
        self._containers: WeakSet[Container] = WeakSet()
        self._lock = threading.Lock()

    def create(self, record: Any, deployment: Deployment) -> None:
        """Deploy a new endpoint. Its status becomes InService or Failed."""
        endpoint = Endpoint(record, pending=deployment)
        record.endpoint_status = "Creating"
        self._endpoints[record.arn] = endpoint
        self._in_background(lambda: self._deploy(endpoint, deployment, failed="Failed"), record.endpoint_name)

    def update(self, record: Any, deployment: Deployment) -> None:
        """Replace the fleet once the new one is healthy. If the update fails, keep the old fleet.

        Each variant has one container. The deployment's rollout says how the traffic moves to the new fleet.
        After a failed update, the endpoint is InService with its old configuration and a FailureReason:
        https://github.com/aws-controllers-k8s/sagemaker-controller/pull/7. (RollingBack applies to weights and
        capacities: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html.)
        """
        endpoint = self._endpoints[record.arn]
        endpoint.pending = deployment
        record.endpoint_status = "Updating"
        record.failure_reason = None
        self._in_background(lambda: self._deploy(endpoint, deployment, failed="InService"), record.endpoint_name)

    def saved(self) -> list[dict[str, Any]]:
        """Return all endpoints as JSON for `load`. Operations in progress are marked as interrupted."""
        return [endpoint.saved() for endpoint in list(self._endpoints.values()) if _settle(endpoint.record)]

    def load(self, saved: list[dict[str, Any]], find: Callable[[str], Any]) -> None:
        """Load the endpoints of a saved state, without starting their containers; see `resume`.

        Args:
            saved: the value that `saved` returned.
            find: returns moto's record for an endpoint's ARN.
        """
        for one in saved:
            endpoint = Endpoint(find(one["arn"]))
            if one["deployment"]:
                endpoint.pending = Deployment.load(one["deployment"])
                endpoint.record.endpoint_status = RESUMING
            self._endpoints[one["arn"]] = endpoint

    def resume(self) -> None:
        """Start the containers of the endpoints that were in service when the state was saved."""
        for endpoint in list(self._endpoints.values()):
            if endpoint.pending and endpoint.record.endpoint_status == RESUMING:
                work = partial(self._deploy, endpoint, endpoint.pending, failed="OutOfService")
                self._in_background(work, endpoint.record.endpoint_name)

    def delete(self, record: Any, forget: Callable[[], None]) -> None:
        """Stop the containers, then call `forget`."""
        endpoint = self._endpoints[record.arn]
        record.endpoint_status = "Deleting"
        record.last_modified_time = _now()
        with self._lock:
            endpoint.live = None

        def work() -> None:
            endpoint.fleet.stop(drain=True)
            del self._endpoints[record.arn]
            forget()

        self._in_background(work, record.endpoint_name)

    def describe(self, record: Any) -> dict[str, Any] | None:
        """Return the response of DescribeEndpoint, or None if the endpoint has just been deleted."""
        endpoint = self._endpoints.get(record.arn)
        if endpoint is None:
            return None
        live, pending = endpoint.live, endpoint.pending  # A deployment's thread may change them.
        shown = {
            "EndpointName": record.endpoint_name,
            "EndpointArn": record.arn,
            "EndpointConfigName": record.endpoint_config_name,
            "EndpointStatus": record.endpoint_status,
            "FailureReason": record.failure_reason,
            "CreationTime": record.creation_time,
            "LastModifiedTime": record.last_modified_time,
        }
        if live:
            shown["ProductionVariants"] = _summaries(live, endpoint.fleet)
            shown["LastDeploymentConfig"] = live.settings
            shown["DataCaptureConfig"] = CaptureSettings.summary(live.capture)
        if pending:
            incoming = endpoint.incoming
            status = incoming.status() if incoming else [{"Status": "Creating", "StartTime": pending.started}]
            fleet = incoming.fleet if incoming else Fleet()
            shown["PendingDeploymentSummary"] = {
                "EndpointConfigName": pending.config_name,
                "ProductionVariants": [one | {"VariantStatus": status} for one in _summaries(pending, fleet)],
                "StartTime": pending.started,
            }
        return {name: value for name, value in shown.items() if value is not None}

    def live(self, record: Any) -> Deployment | None:
        """Return the deployment in service, if any."""
        return self._endpoints[record.arn].live

    @contextmanager
    def invoking(self, arn: str, variant: str | None) -> Iterator[Target]:
        """Choose the target of an invocation. Its container is not stopped before the context exits.

        Raises:
            LookupError: no such endpoint is in service.
            NoSuchVariantError: the endpoint has no such variant.
        """
        with self._lock:
            endpoint = self._endpoints.get(arn)
            if endpoint is None or endpoint.live is None:
                raise LookupError(arn)
            fleet, deployment = endpoint.fleet, endpoint.live
            if endpoint.incoming and endpoint.pending and endpoint.incoming.chosen():
                fleet, deployment = endpoint.incoming.fleet, endpoint.pending
            states = {one.name: one for one in deployment.variants}
            chosen = fleet.enter({name: one.state.get("CurrentWeight", 1.0) for name, one in states.items()}, variant)
        member = fleet.members[chosen]
        try:
            container, state = member.container, states[chosen]
            origin = _origin(arn, state, deployment.capture)
            yield Target(chosen, deployment.config_name, state.instances, container.port, container.token, origin)
        finally:
            fleet.leave(chosen)

    def health(self) -> list[dict[str, str]]:
        """Return the name and status of each endpoint."""
        return [
            {"name": endpoint.record.endpoint_name, "status": endpoint.record.endpoint_status}
            for endpoint in list(self._endpoints.values())
        ]

    def close(self) -> None:
        """End the updates in progress, and stop restarting containers. `Processes` stops their processes."""
        self._stopping.set()
        self.captured.close()
        for container in list(self._containers):
            container.abandon()

    def _in_background(self, work: Callable[[], None], name: str) -> None:
        threading.Thread(target=work, name=f"endpoint {name}", daemon=True).start()

    def _deploy(self, endpoint: Endpoint, deployment: Deployment, *, failed: str) -> None:
        record = endpoint.record
        try:
            fleet = self._bring_up(record, deployment)
            if endpoint.live:
                self._shift(endpoint, fleet, deployment)
        except Exception as error:
            if not isinstance(error, DeploymentError | StoppingError):
                log.exception("The deployment of %s failed.", record.endpoint_name)
            record.failure_reason = str(error)
            status = failed
        else:
            with self._lock:
                old, endpoint.fleet, endpoint.live = endpoint.fleet, fleet, deployment
                endpoint.incoming = None
            record.endpoint_config_name = deployment.config_name
            old.stop(drain=True)
            status = "InService"
        endpoint.pending = None
        record.last_modified_time = _now()
        record.endpoint_status = status

    def _shift(self, endpoint: Endpoint, fleet: Fleet, deployment: Deployment) -> None:
        """Move the traffic to the new fleet. If that fails, move it back and stop the new fleet."""
        region = endpoint.record.arn.split(":")[3]
        rollout = deployment.rollout()
        shift = TrafficShift(rollout, self._alarms, region, self._settings.speed, self._stopping)
        incoming = Incoming(fleet, deployment.config_name)
        try:
            if rollout.alarms:
                self._check_alarms(region, deployment.variants[0].role, rollout.alarms)
            with self._lock:
                endpoint.incoming = incoming
            shift.forward(incoming)
            shift.wait_for_termination()
        except Exception:
            shift.back(incoming)
            with self._lock:
                endpoint.incoming = None
            fleet.stop(drain=True)
            raise

    def _check_alarms(self, region: str, role: str, names: tuple[str, ...]) -> None:
        """Describe the alarms with the execution role's rights, as AWS does."""
        clients = self._role_clients(region, role)
        try:
            clients.cloudwatch.describe_alarms(AlarmNames=list(names))
        except clients.cloudwatch.exceptions.ClientError as error:
            raise DeploymentError(f"The execution role cannot describe the alarms: {error}") from None

    def _bring_up(self, record: Any, deployment: Deployment) -> Fleet:
        fleet = Fleet()
        try:
            for variant in deployment.variants:
                fleet.members[variant.name] = self._start(record, variant)
            for variant in deployment.variants:
                if not fleet.members[variant.name].container.wait(variant.startup_seconds):
                    raise ping_failed(variant.name)
        except Exception:
            fleet.stop(drain=False)
            raise
        return fleet

    def _start(self, record: Any, variant: Variant) -> Member:
        settings = self._settings
        region = record.arn.split(":")[3]
        instance = f"i-{secrets.token_hex(8)}"
        name = f"endpoint-{record.endpoint_name}-{variant.name}-{instance}"
        folder = settings.data / "endpoints" / name
        clients = self._role_clients(region, variant.role)
        container_log = ContainerLog(
            clients.logs,
            f"/aws/sagemaker/Endpoints/{record.endpoint_name}",
            f"{variant.name}/{instance}",
            settings.logs / f"{name}.log",
        )
        try:
            image.pull(variant.image, settings.account, clients)
            fetch(variant.model_data, clients.s3, folder / "model")
            try:
                python = interpreter(folder / "model", self._venvs)
            except BuildError as error:
                # MLflow's own image builds the environment in the container, so its log has such errors.
                container_log.write(["The model's environment cannot be built:", *str(error).splitlines()])
                raise ping_failed(variant.name) from error
        except Exception:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        env = {
            **clients.credentials.env(),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": settings.url,
            **variant.env,
        }
        container = Container(name, python, folder, env, self._processes, container_log)
        self._containers.add(container)
        container.start()
        return Member(container)

    def _role_clients(self, region: str, role: str) -> RoleClients:
        account = self._settings.account
        try:
            credentials = self._principals.assume(role, "SageMaker", HOSTING, sagemaker_source(region, account))
        except AwsError as error:
            raise DeploymentError(error.message) from None
        return RoleClients(credentials, self._settings.url, region)


def _origin(arn: str, variant: Variant, capture: dict[str, Any] | None) -> Origin | None:
    """Where the captured data of a variant comes from; None if nothing is captured."""
    settings = CaptureSettings.of(capture)
    _, _, _, region, _, name = arn.split(":")
    return Origin(region, variant.role, name.removeprefix("endpoint/"), variant.name, settings) if settings else None


def _settle(record: Any) -> bool:
    """Mark an operation in progress as interrupted; return False if the endpoint was being deleted."""
    status = record.endpoint_status
    if status == "Creating":
        record.endpoint_status, record.failure_reason = "Failed", "localaws stopped while it created the endpoint."
    elif status == "Updating":
        record.endpoint_status, record.failure_reason = "InService", "localaws stopped while it updated the endpoint."
    return bool(status != "Deleting")


def _summaries(deployment: Deployment, fleet: Fleet) -> list[dict[str, Any]]:
    shown = []
    for variant in deployment.variants:
        summary = {
            "VariantName": variant.name,
            "DeployedImages": [
                {
                    "SpecifiedImage": variant.image,
                    "ResolvedImage": variant.image,
                    "ResolutionTime": deployment.started,
                }
            ],
            **variant.state,
        }
        member = fleet.members.get(variant.name)
        if not (member and member.container.healthy) and "CurrentInstanceCount" in summary:
            summary["CurrentInstanceCount"] = 0
        shown.append(summary)
    return shown


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)  # moto compares naive datetimes.
