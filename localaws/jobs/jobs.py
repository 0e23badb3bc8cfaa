"""All jobs of one localaws: creates, runs, stops, lists, saves and loads them."""

import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localaws.credentials import Credentials
from localaws.endpoints.role import RoleClients
from localaws.errors import AwsError
from localaws.jobs.container import Containers
from localaws.jobs.packing import pack, unpack
from localaws.jobs.record import IN_PROGRESS, KINDS, Job, JobError, Kind
from localaws.processes import Processes, StoppingError
from localaws.settings import Settings
from localaws.venvs import Venvs

INTERRUPTED = "InternalServerError: localaws stopped while the job ran. Start the job again."
# AWS's own text for a failure that is not the user's.
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
log = logging.getLogger(__name__)

# Runs a job to its end in its folder; raises JobError.
Runner = Callable[[Job, Path, RoleClients], None]
# Takes a role's ARN and the region; returns credentials of a session.
Assume = Callable[[str, str], Credentials]


class Jobs:
    """The records of jobs, and one thread for each that runs."""

    def __init__(
        self,
        settings: Settings,
        processes: Processes,
        venvs: Venvs,
        assume: Assume,
        environment: Mapping[str, str],
    ) -> None:
        """`environment` is what AWS clients in a job need to find localaws."""
        self._settings = settings
        self._assume = assume
        self.containers = Containers(processes, venvs, environment)
        self._folder = settings.run / "jobs"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._jobs: dict[str, Job] = {}
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closing = False

    def start(self, kind: Kind, region: str, given: dict[str, Any], role: str, runner: Runner, **details: Any) -> Job:
        """Create a job and run it in a thread.

        Args:
            given: the request.
            role: the ARN of the role that the job uses.
            details: more members of DescribeXJob.

        Raises:
            AwsError: ResourceInUse; StoppingError: localaws is stopping.
        """
        job = Job.create(kind, region, self._settings.account, given)
        job.set(**details)
        with self._lock:
            if self._closing:
                raise StoppingError("localaws is stopping.")
            if job.arn in self._jobs:
                # The message of AWS, as quoted in https://github.com/aws/sagemaker-python-sdk/issues/1089
                raise AwsError(
                    "ResourceInUse",
                    f"Job name must be unique within an AWS account and region, and a job with this name already "
                    f"exists ({job.arn})",
                )
            self._jobs[job.arn] = job
            thread = threading.Thread(target=self._run, args=(job, role, runner), name=job.arn, daemon=True)
            self._threads = [*(one for one in self._threads if one.is_alive()), thread]
            thread.start()
        return job

    def find(self, kind: Kind, region: str, name: str) -> Job:
        """A job.

        Raises:
            AwsError: as on AWS, ResourceNotFound for a tuning job and ValidationException for the others.
        """
        arn = f"arn:aws:sagemaker:{region}:{self._settings.account}:{kind.resource}/{name}"
        job = self._jobs.get(arn)
        if job is None:
            # https://github.com/aws/sagemaker-python-sdk/issues/1171
            code = "ResourceNotFound" if kind.noun == "HyperParameterTuningJob" else "ValidationException"
            text = "Requested resource not found." if kind.noun == "TrainingJob" else ""
            raise AwsError(code, text or f"Could not find requested job with name: {name}")
        return job

    def by_arn(self, arn: str) -> Job | None:
        """The job with an ARN."""
        return self._jobs.get(arn)

    def all(self, kind: Kind, region: str) -> list[Job]:
        """The jobs of a kind in a region, oldest first."""
        return [job for job in list(self._jobs.values()) if job.kind is kind and job.region == region]

    def clients(self, role: str, region: str) -> RoleClients:
        """Clients of a role.

        Raises:
            AwsError: SageMaker may not assume the role.
        """
        return RoleClients(self._assume(role, region), self._settings.url, region)

    def close(self) -> None:
        """End the running jobs: they fail with a reason. Call it before stopping the processes."""
        with self._lock:
            self._closing = True
        for job in list(self._jobs.values()):
            if job.status in IN_PROGRESS:
                job.end("Stopped" if job.status == "Stopping" else "Failed", INTERRUPTED)

    def join(self) -> None:
        """Wait for the jobs' threads. Call it after stopping the processes."""
        for thread in self._threads:
            thread.join(5)

    def saved(self) -> list[dict[str, Any]]:
        """The jobs as JSON."""
        return [
            {
                "kind": job.kind.noun,
                "region": job.region,
                "given": job.given,
                "details": pack(job.details),
                "tags": job.tags,
            }
            for job in list(self._jobs.values())
        ]

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Load saved jobs. None of them runs."""
        for one in saved:
            kind = KINDS[one["kind"]]
            details = unpack(one["details"])
            job = Job(kind, one["region"], self._settings.account, one["given"], details, one["tags"])
            if job.status in IN_PROGRESS:
                job.end("Failed", INTERRUPTED)
            job.done.set()
            self._jobs[job.arn] = job

    def _run(self, job: Job, role: str, runner: Runner) -> None:
        folder = self._folder / job.kind.resource / job.name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            runner(job, folder, self.clients(role, job.region))
        except JobError as error:
            job.end("Failed", str(error))
        except AwsError as error:
            job.end("Failed", f"ClientError: {error.message}")
        except StoppingError:
            job.end("Failed", INTERRUPTED)
        except (ClientError, BotoCoreError) as error:
            job.end("Failed", f"ClientError: {error}")
        except Exception:
            log.exception("%s failed inside localaws.", job.arn)
            job.end("Failed", INTERNAL)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
