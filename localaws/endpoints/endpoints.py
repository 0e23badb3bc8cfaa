"""The life cycle of endpoints: creation, blue/green update and deletion, as SageMaker performs them after API calls."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from localaws.alarms import Alarms
from localaws.endpoints.capture import CaptureSettings, CaptureWriter, Origin
from localaws.endpoints.container import Container
from localaws.endpoints.deployment import STARTUP_SECONDS, Deployment, Variant
from localaws.endpoints.fleet import Fleet, Instance, Member, NoSuchVariantError
from localaws.endpoints.launcher import Launcher, processes_of
from localaws.endpoints.reasons import DeploymentError, ping_failed
from localaws.endpoints.shift import Incoming, TrafficShift
from localaws.endpoints.summaries import summaries
from localaws.processes import StoppingError
from localaws.settings import Settings

# The status of an endpoint whose containers restart after `up`. On AWS, it means that the endpoint is in maintenance.
RESUMING = "SystemUpdating"
log = logging.getLogger(__name__)


@dataclass
class Endpoint:
    """An endpoint. Its name, status, tags and times are in `record`, moto's object."""

    record: Any
    live: Deployment | None = None
    pending: Deployment | None = None
    fleet: Fleet = field(default_factory=Fleet)
    incoming: Incoming | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.record.endpoint_name)

    @property
    def region(self) -> str:
        """Its region."""
        return str(self.record.arn.split(":")[3])

    @property
    def asynchronous(self) -> dict[str, Any] | None:
        """The AsyncInferenceConfig of the deployment in service."""
        return self.live.asynchronous if self.live else None

    @property
    def capacity(self) -> int:
        """How many instances the production variants in service have."""
        variants = self.live.variants if self.live else []
        return sum(variant.state.get("CurrentInstanceCount", 0) for variant in variants)

    def saved(self) -> dict[str, Any]:
        """Return the endpoint as JSON, without `record`, which is saved with moto's resources."""
        resuming = self.pending if self.record.endpoint_status == RESUMING else None
        deployment = self.live or resuming
        return {"arn": self.record.arn, "deployment": deployment.saved() if deployment else None}


@dataclass(frozen=True)
class Target:
    """Where an invocation is sent, and what its metrics are recorded for.

    Attributes:
        container: what answers; a serverless one may have to be woken up.
        serverless: whether the variant is serverless.
        role: the execution role.
    """

    variant: str
    config_name: str
    instances: int
    container: Container
    origin: Origin | None = None
    serverless: bool = False
    startup_seconds: float = STARTUP_SECONDS
    role: str = ""


class Endpoints:
    """All endpoints of one localaws. Each deployment runs in its own thread."""

    def __init__(self, settings: Settings, launcher: Launcher, alarms: Alarms) -> None:
        self._settings = settings
        self._launcher = launcher
        self._alarms = alarms
        self._stopping = threading.Event()
        self.captured = CaptureWriter(lambda region, role: launcher.role_clients(region, role).s3)
        self._endpoints: dict[str, Endpoint] = {}
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
            shown["ProductionVariants"] = summaries(live, endpoint.fleet)
            shown["ShadowProductionVariants"] = summaries(live, endpoint.fleet, shadow=True) or None
            shown["LastDeploymentConfig"] = live.settings
            shown["DataCaptureConfig"] = CaptureSettings.summary(live.capture)
            shown["AsyncInferenceConfig"] = live.asynchronous
        if pending:
            incoming = endpoint.incoming
            status = incoming.status() if incoming else [{"Status": "Creating", "StartTime": pending.started}]
            fleet = incoming.fleet if incoming else Fleet()
            shown["PendingDeploymentSummary"] = summary = {
                "EndpointConfigName": pending.config_name,
                "ProductionVariants": [one | {"VariantStatus": status} for one in summaries(pending, fleet)],
                "StartTime": pending.started,
            }
            if pending.shadows:
                shadows = summaries(pending, fleet, shadow=True)
                summary["ShadowProductionVariants"] = [one | {"VariantStatus": status} for one in shadows]
        return {name: value for name, value in shown.items() if value is not None}

    def find(self, arn: str) -> Endpoint | None:
        """Return an endpoint, if it exists."""
        return self._endpoints.get(arn)

    def all(self) -> list[Endpoint]:
        """Return all endpoints."""
        return list(self._endpoints.values())

    @contextmanager
    def invoking(self, arn: str, variant: str | None, *, shadow: bool = False) -> Iterator[Target]:
        """Choose the target of an invocation. Its container is not stopped before the context exits.

        Args:
            shadow: choose among the shadow variants.

        Raises:
            LookupError: no such endpoint is in service.
            NoSuchVariantError: the endpoint has no such variant.
            NoCapacityError: the variant has no instance.
            ThrottledError: the variant is serverless and has no free capacity.
        """
        with self._lock:
            endpoint = self._endpoints.get(arn)
            if endpoint is None or endpoint.live is None:
                raise LookupError(arn)
            fleet, deployment = endpoint.fleet, endpoint.live
            if endpoint.incoming and endpoint.pending and endpoint.incoming.chosen():
                fleet, deployment = endpoint.incoming.fleet, endpoint.pending
            variants = {one.name: one for one in (deployment.shadows if shadow else deployment.variants)}
            if variant is not None and variant not in variants:
                raise NoSuchVariantError(variant)
            chosen, instance = fleet.enter({name: one.weight for name, one in variants.items()}, variant)
        try:
            found = variants[chosen]
            origin = _origin(arn, found, deployment.capture)
            serverless = found.serverless is not None
            where = chosen, deployment.config_name, found.instances, instance.container
            yield Target(*where, origin, serverless, found.startup_seconds, found.role)
        finally:
            fleet.leave(chosen, instance)

    def close(self) -> None:
        """End the updates in progress, and stop restarting containers. `Processes` stops their processes."""
        self._stopping.set()
        self.captured.close()
        self._launcher.close()

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
        clients = self._launcher.role_clients(region, role)
        try:
            clients.cloudwatch.describe_alarms(AlarmNames=list(names))
        except clients.cloudwatch.exceptions.ClientError as error:
            raise DeploymentError(f"The execution role cannot describe the alarms: {error}") from None

    def _bring_up(self, record: Any, deployment: Deployment) -> Fleet:
        fleet = Fleet()
        variants = [*deployment.variants, *deployment.shadows]
        region = record.arn.split(":")[3]
        try:
            for variant in variants:
                limit = variant.serverless["MaxConcurrency"] if variant.serverless else None
                member = fleet.members[variant.name] = Member([], limit)
                for _ in range(processes_of(variant)):
                    container = self._launcher.start(record.endpoint_name, region, variant)
                    member.instances.append(Instance(container))
            for variant in variants:
                for instance in fleet.members[variant.name].instances:
                    if not instance.container.wait(variant.startup_seconds):
                        raise ping_failed(variant.name)
                if "CurrentInstanceCount" in variant.state:
                    variant.state["CurrentInstanceCount"] = variant.instances
        except Exception:
            fleet.stop(drain=False)
            raise
        return fleet


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


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)  # moto compares naive datetimes.
