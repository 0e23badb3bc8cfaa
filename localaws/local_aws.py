"""Assembles the parts of the local AWS, routes requests to them, and starts and stops them."""

import asyncio
import logging
import os
from dataclasses import asdict
from datetime import UTC, datetime
from typing import IO, Any

from botocore.config import Config

from localaws.builds.builder import Builder
from localaws.builds.builds import Builds
from localaws.builds.checkout import Checkout
from localaws.builds.role import CODEBUILD
from localaws.builds.tools import Tools
from localaws.clients import client
from localaws.credentials import Credentials
from localaws.delivery.delivery import Delivery
from localaws.endpoints.hosting import Hosting
from localaws.endpoints.role import HOSTING
from localaws.front.application import Application, Route
from localaws.front.call_log import CallLog
from localaws.front.control import Control
from localaws.front.entrance import SignedEntrance
from localaws.front.faults import Faults
from localaws.functions.functions import Functions
from localaws.home import write_env
from localaws.iam.guard import Guard
from localaws.iam.moto_policy_store import MotoPolicyStore
from localaws.iam.trust import sagemaker_source
from localaws.jobs.jobs import Jobs
from localaws.jobs.operations import JobOperations
from localaws.jobs.record import KINDS
from localaws.model_packages import ModelPackages
from localaws.moto_application import moto
from localaws.pipelines.executions import Executions
from localaws.pipelines.operations import all_operations
from localaws.principals import Principals, random_id
from localaws.processes import Processes
from localaws.registry.blobs import Blobs
from localaws.registry.entrance import RegistryEntrance
from localaws.registry.images import Images
from localaws.registry.registry import Registry
from localaws.registry.tokens import Tokens
from localaws.schedules import Schedules
from localaws.services import install_all
from localaws.services.context import ServiceContext
from localaws.services.sagemaker import keep_tags_of
from localaws.settings import Settings, no_proxy
from localaws.state import files, moto_pickle
from localaws.state_machines import StateMachines
from localaws.studio.operations import DOMAIN, PROFILE, Studio
from localaws.tracking.tracking import Tracking
from localaws.venvs import Venvs

log = logging.getLogger(__name__)
BUILD_CLIENTS = Config(retries={"total_max_attempts": 2}, read_timeout=60, s3={"addressing_style": "path"})


class LocalAws:
    """All parts of one localaws. The web server serves `application`."""

    def __init__(self, settings: Settings) -> None:
        """Loads the saved state, if there is one.

        Raises:
            StateError: the saved state cannot be read.
        """
        self.settings = settings
        saved = files.read(settings, _load_moto)
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.principals = Principals(settings.account)
        self.processes = Processes(settings.run / "processes", settings.logs)
        self.venvs = Venvs(settings.cache / "venvs", self.processes.run)
        self.calls = CallLog(settings.data / "calls.jsonl")
        self.faults = Faults()
        self.administrator = (
            Credentials(**saved.parts["administrator"]) if saved else self.principals.create_administrator()
        )
        self.tracking = Tracking(settings, self.principals, self.processes, self.venvs, self.faults)
        self.hosting = Hosting(settings, self.principals, self.processes, self.venvs)
        self.jobs = self._make_jobs()
        self.executions = Executions(self.jobs, settings.speed)
        self.delivery = Delivery(settings, self.principals, self.administrator)
        self.studio = self._make_studio()
        sagemaker = (
            *self.tracking.operations,
            self.hosting.operations,
            ModelPackages(settings.account, self.delivery.events.put).operations(),
            JobOperations(self.jobs, self.principals, settings.account).operations(),
            *all_operations(self.executions, self.jobs, self.principals, settings.account),
            self.studio.operations(),
        )
        guard = Guard(MotoPolicyStore(settings.account), enforces=settings.enforce_iam)
        self.builds = self._make_builds(guard)
        tokens, blobs = Tokens(), Blobs(settings.data / "registry")
        self.state_machines = StateMachines(settings, self.principals)
        hosting = self.hosting
        parts = (self.principals, self.builds, self.state_machines, tokens, blobs, hosting.autoscaler, hosting.quotas)
        rest = (self.tracking.apps, guard, self.delivery, self._make_functions(), sagemaker)
        prepare = install_all(ServiceContext(settings, *parts, *rest))
        if saved:
            self._load(saved.parts)
        self.application = Application(
            self.calls,
            self.faults,
            control=Route(Control.takes, self._make_control()),
            entrances=[
                self.tracking.entrance,
                RegistryEntrance(tokens, settings.account, settings.region),
                SignedEntrance(self.principals.key, lambda: datetime.now(UTC)),
            ],
            guard=guard,
            routes=[
                *self.tracking.routes,
                self.hosting.runtime,
                Route(Registry.takes, Registry(blobs, Images(settings.account, settings.region))),
                Route(lambda _: True, moto(prepare)),
            ],
            on_start=self._start,
            on_stop=self._stop,
        )

    def _load(self, parts: dict[str, Any]) -> None:
        self.tracking.load(parts)
        self.hosting.load(parts["endpoints"])
        self.hosting.quotas.load(parts.get("instance_quotas", {}))
        self.hosting.load_requests(parts.get("async_requests", []))
        self.jobs.load(parts.get("jobs", []))
        self.executions.load(parts.get("pipeline_executions", []))
        self.delivery.deliveries.load(parts.get("deliveries", {}))
        self.studio.load(parts.get("studio", []))

    def _make_builds(self, guard: Guard) -> Builds:
        settings = self.settings
        region, url = settings.region, settings.url

        def assume(role: str, project: str) -> Credentials:
            return self.principals.assume(role, f"AWSCodeBuild-{random_id()}", CODEBUILD, project)

        def make_client(service: str, credentials: Credentials) -> Any:
            return client(service, credentials, region, url, BUILD_CLIENTS)

        tools = Tools(settings.cache, settings.base_image)

        def require(credentials: Credentials, action: str, resource: str) -> None:
            key = self.principals.key(credentials.access_key)
            guard.require(key.principal if key else "", credentials.access_key, action, resource)

        checkout = Checkout(self.delivery.repositories, settings.account, require)
        builder = Builder(settings.run / "builds", self.processes, make_client, assume, tools, checkout)
        return Builds(builder, self._endpoints())

    def _make_studio(self) -> Studio:
        studio = Studio(self.principals, self.settings.account)
        keep_tags_of(DOMAIN, studio.by_arn)
        keep_tags_of(PROFILE, studio.by_arn)
        return studio

    def _make_control(self) -> Control:
        schedules = Schedules(self.settings, self.principals)
        return Control(self.health, self.calls, self.faults, schedules, self.hosting.quotas.set)

    def _make_functions(self) -> Functions:
        return Functions(self.settings, self.processes, self.principals, self._endpoints())

    def _make_jobs(self) -> Jobs:
        settings = self.settings

        def assume(role: str, region: str) -> Credentials:
            return self.principals.assume(role, "SageMaker", HOSTING, sagemaker_source(region, settings.account))

        jobs = Jobs(settings, self.processes, self.venvs, assume, self._endpoints())
        for kind in KINDS.values():
            keep_tags_of(kind.resource, jobs.by_arn)
        return jobs

    def health(self) -> dict[str, Any]:
        """The response of GET /_localaws/health."""
        return {
            "status": "ok",
            "account": self.settings.account,
            "region": self.settings.region,
            "home": str(self.settings.home),
            "enforces_iam": self.settings.enforce_iam,
            **self.tracking.health(),
            "endpoints": self.hosting.health(),
            "resuming": self.tracking.resuming() + self.hosting.resuming(),
        }

    def env(self, credentials: Credentials) -> dict[str, str]:
        """Variables that point AWS clients, Terraform and MLflow to localaws. An empty value means: unset it."""
        settings = self.settings
        return {
            **self._endpoints(),
            "AWS_ACCOUNT_ID": settings.account,
            # The caller may have set these for the real AWS, and clients would send them.
            "AWS_PROFILE": "",
            "AWS_SESSION_TOKEN": "",
            **credentials.env(),
            "TF_VAR_allowed_account_ids": f'["{settings.account}"]',
            "LOCALAWS_HOME": str(settings.home),
            "LOCALAWS_PORT": str(settings.port),
        }

    def _endpoints(self) -> dict[str, str]:
        """Variables that every AWS client needs to reach localaws, in addition to credentials."""
        settings = self.settings
        return {
            "AWS_ENDPOINT_URL": settings.url,
            "AWS_REGION": settings.region,
            "AWS_DEFAULT_REGION": settings.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT": settings.url,
            "MLFLOW_S3_ENDPOINT_URL": settings.url,
            # Some clients read the first name, some the second.
            "NO_PROXY": no_proxy(os.environ),
            "no_proxy": no_proxy(os.environ),
        }

    def resume(self) -> None:
        """Starts the processes of a loaded state. Call it when the web server accepts connections, which they need."""
        self.tracking.resume()
        self.hosting.resume()

    async def _start(self) -> None:
        await self.hosting.open()
        self.delivery.watcher.start()
        files.unsaved_marker(self.settings).touch(mode=0o600)
        write_env(self.settings, self.env(self.administrator))

    async def _stop(self) -> None:
        self.settings.env_file.unlink(missing_ok=True)
        deliveries = self.delivery.deliveries.saved()
        tracking = self.tracking.saved()  # Save before the processes end, because their end changes the state.
        await self.tracking.close()
        await self.hosting.close()
        await asyncio.to_thread(self.delivery.close)
        await asyncio.to_thread(self.builds.close)
        self.state_machines.close()
        self.executions.close()
        self.jobs.close()
        await asyncio.to_thread(self.processes.stop_all)
        await asyncio.to_thread(self.jobs.join)
        await asyncio.to_thread(self.executions.join)
        await asyncio.to_thread(self.venvs.close)
        parts = {
            "administrator": asdict(self.administrator),
            **tracking,
            "endpoints": self.hosting.saved(),
            "instance_quotas": self.hosting.quotas.saved(),
            "async_requests": self.hosting.saved_requests(),
            "jobs": self.jobs.saved(),
            "pipeline_executions": self.executions.saved(),
            "deliveries": deliveries,
            "studio": self.studio.saved(),
        }
        try:
            await asyncio.to_thread(files.write, self.settings, parts, moto_pickle.dump)
        except Exception:  # An object that cannot be pickled, a full disk: the next start reports what is lost.
            log.exception("The state was not saved")
        else:
            files.unsaved_marker(self.settings).unlink(missing_ok=True)
        self.calls.close()


def _load_moto(file: IO[bytes]) -> None:
    try:
        moto_pickle.load(file)
    except moto_pickle.UnreadableError as error:
        raise files.StateError(f"The saved state cannot be read: {error}. {files.RESET}") from None
