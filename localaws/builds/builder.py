"""Runs one build: source, environment, the buildspec's commands, log, status.

The commands run as processes of the person who runs localaws, not in a container. `python` and `pip` are those of a
new virtual environment. AWS calls go to localaws under the project's service role.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localaws.builds.buildspec import Buildspec, BuildspecError
from localaws.builds.checkout import REPOSITORIES, Checkout
from localaws.builds.python import make_python
from localaws.builds.record import FAILED, STOPPED, SUCCEEDED, TIMED_OUT, BuildRecord
from localaws.builds.script import script
from localaws.builds.source import SourceError, fetch
from localaws.builds.tools import Tools, network_settings
from localaws.credentials import Credentials
from localaws.delivery.repositories import RepositoryError
from localaws.endpoints.logs import ContainerLog
from localaws.errors import AwsError
from localaws.processes import Child, Processes
from mlflow_common.safe_path import UnsafeNameError

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_NOT_STARTED = (
    AwsError, ClientError, BotoCoreError, SourceError, RepositoryError, BuildspecError, UnsafeNameError, OSError
)  # fmt: skip
_STOP_SECONDS = 5

# Makes a client of a service with these credentials.
Clients = Callable[[str, Credentials], Any]
Assume = Callable[[str, str], Credentials]


@dataclass(frozen=True)
class Job:
    """A build to run.

    Attributes:
        project: the project as BatchGetProjects returns it.
        variables: the values of the project's plain variables, with StartBuild's overrides.
        parameters: variables whose values are parameters of Systems Manager, by the parameters' names.
        timeout: seconds.
        environment: what every AWS client of a build needs to find localaws.
    """

    record: BuildRecord
    project: Mapping[str, Any]
    variables: Mapping[str, str]
    parameters: Mapping[str, str]
    timeout: float
    environment: Mapping[str, str]


class Builder:
    """Runs builds, each in a folder of its own that is deleted afterwards."""

    def __init__(
        self,
        folder: Path,
        processes: Processes,
        clients: Clients,
        assume: Assume,
        tools: Tools,
        checkout: Checkout,
    ) -> None:
        """Connect the parts.

        Args:
            assume: takes the ARNs of a service role and of the project, and returns credentials of a session.
        """
        self._folder = folder
        self._processes = processes
        self._clients = clients
        self._assume = assume
        self._tools = tools
        self._checkout = checkout

    def run(self, job: Job) -> None:
        """Run a build to its end. Every outcome is in the job's record; raises nothing."""
        folder = self._folder / job.record.id.replace(":", "-")
        source = folder / "src"
        source.mkdir(parents=True)
        try:
            job.record.complete(self._run(job, folder, source))
        except Exception:
            log.exception("The build %s failed inside localaws.", job.record.id)
            job.record.complete("FAULT")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, job: Job, folder: Path, source: Path) -> str:
        record = job.record
        record.begin("PROVISIONING")
        try:
            credentials = self._assume(job.project["serviceRole"], job.project["arn"])
            record.begin("DOWNLOAD_SOURCE")
            if job.project["source"]["type"] in REPOSITORIES:
                self._checkout.fetch(job.project, credentials, source)
            else:
                fetch(self._clients("s3", credentials), dict(job.project["source"]), source)
            buildspec = Buildspec.parse(_text(job.project["source"].get("buildspec"), source))
            parameters = self._parameters(credentials, {**buildspec.parameters, **job.parameters})
        except _NOT_STARTED as error:
            phase = record.describe()["currentPhase"]
            record.end(phase, FAILED, str(error))
            return FAILED
        python = make_python(folder / "python")
        phases = folder / "phases"
        phases.touch()
        file = folder / "build.sh"
        file.write_text(script(buildspec))
        variables = {**buildspec.variables, **parameters, **job.variables}
        tools = self._tools.make(folder / "tools", privileged=bool(job.project["environment"].get("privilegedMode")))
        env = _environment(job, credentials, f"{tools.folder}:{python.parent}", folder, source)
        exported = folder / "exported"
        exported.touch()
        env |= variables | tools.variables | {"LOCALAWS_PHASES": str(phases), "LOCALAWS_EXPORTED": str(exported)}
        record.begin("INSTALL")
        child = self._processes.start(f"codebuild-{record.id.replace(':', '-')}", ["bash", file], env, source)
        try:
            where = record.details["logs"]
            client = self._clients("logs", credentials)
            output = ContainerLog(client, where["groupName"], where["streamName"], child.log)
            status = self._watch(job, child, phases, output)
            record.export(_exported(exported))
            return status
        finally:
            child.log.unlink(missing_ok=True)

    def _watch(self, job: Job, child: Child, phases: Path, output: ContainerLog) -> str:
        """Follow the script until it ends, is stopped or takes too long. Returns the build's status."""
        deadline = time.monotonic() + job.timeout
        reported = 0
        outcome = ""
        while child.running and not outcome:
            time.sleep(_POLL_SECONDS)
            reported = _report(job.record, phases, reported)
            output.follow()
            if job.record.stop_requested.is_set():
                outcome = STOPPED
            elif time.monotonic() > deadline:
                outcome = TIMED_OUT
        self._processes.stop(child, _STOP_SECONDS)
        _report(job.record, phases, reported)
        output.follow(to_the_end=True)
        return outcome or (SUCCEEDED if child.process.returncode == 0 else FAILED)

    def _parameters(self, credentials: Credentials, wanted: Mapping[str, str]) -> dict[str, str]:
        ssm = self._clients("ssm", credentials) if wanted else None
        return {
            name: ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"]  # type: ignore[union-attr]
            for name, parameter in wanted.items()
        }


def _environment(job: Job, role: Credentials, programs: str, folder: Path, source: Path) -> dict[str, str]:
    """https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html, and the way to localaws."""
    return {
        **network_settings(os.environ),
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "CODEBUILD_BUILD_ID": job.record.id,
        "CODEBUILD_BUILD_ARN": str(job.record.details["arn"]),
        "CODEBUILD_BUILD_NUMBER": str(job.record.details["buildNumber"]),
        "CODEBUILD_INITIATOR": str(job.record.details["initiator"]),
        "CODEBUILD_SRC_DIR": str(source),
        **job.environment,
        **role.env(),
    }


def _text(buildspec: str | None, source: Path) -> str:
    """A project's buildspec: its text, or a file of the source (buildspec.yml by default)."""
    if buildspec and ("\n" in buildspec or buildspec.lstrip().startswith("{")):
        return buildspec
    return (source / (buildspec or "buildspec.yml")).read_text()


def _exported(file: Path) -> dict[str, str]:
    """The exported variables that a build's script has written."""
    found = (one.partition("=") for one in file.read_text().split("\0") if one)
    return {name: value for name, _, value in found}


def _report(record: BuildRecord, phases: Path, reported: int) -> int:
    """Take over the phases that the script has ended since the last time."""
    lines = [line for line in phases.read_text().splitlines() if line.count("\t") >= 2]
    for line in lines[reported:]:
        phase, status, command = line.split("\t", 2)
        message = f"Error while executing command: {command}. Reason: exit status {status}" if status != "0" else ""
        record.end(phase, FAILED if message else SUCCEEDED, message)
    return len(lines)
