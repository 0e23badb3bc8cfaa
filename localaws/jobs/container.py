"""Runs a job's container: one process with SageMaker's folders, environment, time limit and log."""

import shutil
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localaws.builds.python import make_python
from localaws.endpoints.logs import ContainerLog
from localaws.endpoints.role import RoleClients
from localaws.jobs import mount
from localaws.jobs.record import Job, JobError
from localaws.processes import Processes
from localaws.venvs import BuildError, Venvs

# SIGTERM, then SIGKILL after 120 s:
# https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
STOP_SECONDS = 120
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Outcome:
    """How a container ended.

    Attributes:
        exit_code: of its process; 128 and the signal's number for a signal.
        cause: "" if it ended by itself, "stopped" or "timed out".
        output: the file with its output.
    """

    exit_code: int
    cause: str
    output: Path


class Containers:
    """Runs containers. An image is only a name: the processes run in Python environments of this machine."""

    def __init__(self, processes: Processes, venvs: Venvs, environment: Mapping[str, str]) -> None:
        """`environment` is what every AWS client of a job needs to find localaws."""
        self.processes = processes
        self.venvs = venvs
        self.environment = environment

    def run(
        self,
        job: Job,
        folder: Path,
        command: Sequence[str],
        env: Mapping[str, str],
        clients: RoleClients,
        seconds: float,
    ) -> Outcome:
        """Run a command to its end, to StopXJob or to the time limit.

        Args:
            folder: has the job's files in `ml/`, which the process sees as /opt/ml.
            command: entry point and arguments.
            seconds: the time limit.

        Raises:
            JobError: the program does not exist, or the environment cannot be built.
        """
        base = mount.base(folder)
        command = [part.replace(mount.ML, base) for part in command]
        path = self._path(folder, base, command)
        name = f"{job.kind.resource}-{job.name}"
        variables = {
            "PATH": path,
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **self.environment,
            **clients.credentials.env(),
            **{name: value.replace(mount.ML, base) for name, value in env.items()},
            "SAGEMAKER_BASE_DIR": base,
        }
        if shutil.which(command[0], path=path) is None and not _inside(folder, base, command[0]).exists():
            raise JobError(
                f'AlgorithmError: Cannot start the container: exec: "{command[0]}": executable file not found'
            )
        try:
            child = self.processes.start(name, mount.in_folder(folder, command), variables, folder / "ml")
        except OSError as error:
            raise JobError(f"AlgorithmError: Cannot start the container: {error}") from None
        # AWS names the stream JOB/algo-NUMBER-EPOCH, see the link in record.py.
        stream = f"{job.name}/algo-1-{int(time.time())}"
        output = ContainerLog(clients.logs, job.kind.group, stream, child.log)
        deadline = time.monotonic() + seconds
        cause = ""
        while child.running and not cause:
            time.sleep(_POLL_SECONDS)
            output.follow()
            if job.stop_requested.is_set():
                cause = "stopped"
            elif time.monotonic() > deadline:
                cause = "timed out"
        self.processes.stop(child, STOP_SECONDS)
        output.follow(to_the_end=True)
        kept = folder / "output.log"
        child.log.replace(kept)
        return Outcome(_exit_code(child.process.returncode or 0), cause, kept)

    def _path(self, folder: Path, base: str, command: Sequence[str]) -> str:
        """PATH with a Python of the job's own, so that a `pip install` in the job changes nothing else.

        Its packages are those of the requirements.txt beside the script, or else localaws's own (MLflow, scikit-learn,
        pandas, boto3).
        """
        script = next((_inside(folder, base, part) for part in command if part.startswith(base)), None)
        requirements = script.parent / "requirements.txt" if script else None
        site, programs = sysconfig.get_path("purelib"), sysconfig.get_path("scripts")
        if requirements and requirements.is_file():
            try:
                interpreter = self.venvs.python(requirements)
            except BuildError as error:
                raise JobError(f"AlgorithmError: requirements.txt cannot be installed: {str(error)[-700:]}") from None
            version = f"python{sys.version_info.major}.{sys.version_info.minor}"
            site = str(interpreter.parent.parent / "lib" / version / "site-packages")
            programs = str(interpreter.parent)
        python = make_python(folder / "python")
        (own,) = (folder / "python").glob("lib/python*/site-packages")
        # addsitedir, because editable packages are in .pth files themselves.
        (own / "environment.pth").write_text(f"import site; site.addsitedir({site!r})\n")
        return f"{python.parent}:{programs}:/usr/local/bin:/usr/bin:/bin"


def _inside(folder: Path, base: str, path: str) -> Path:
    """A path of the job's process, as localaws sees it."""
    return folder / "ml" / path.removeprefix(base).lstrip("/") if path.startswith(base) else Path(path)


def _exit_code(returncode: int) -> int:
    """A container that a signal ended has 128 and the signal's number: 137 for SIGKILL. Python has it negative."""
    return returncode if returncode >= 0 else 128 - returncode
