"""Runs an entry point of an MLflow project as a SageMaker job, unchanged.

Usage: `job.py ENTRY_POINT [--NAME VALUE …]`, with `project.json` and the project's folder beside this file. Where
SageMaker's training toolkit runs this file, with the hyperparameters as options, JOB_ENTRY_POINT names the entry point
instead.

It gives the entry point what SageMaker's toolkits give (SM_* variables and the paths of channels), opens an MLflow run
below the run of the pipeline or the sweep, and writes the reason of a failure to where SageMaker reads it. It needs
only Python's standard library, and what is beside it, until it opens the run.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

import hashlib
import io
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO, TypeVar

HERE = Path(__file__).resolve().parent
# SageMaker's pipelines name jobs pipelines-EXECUTION-STEP-RANDOM.
_JOB = re.compile(r"pipelines-([a-z0-9]{12})-")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
# Hyperparameters that SageMaker's training toolkit and tuning jobs add.
_RESERVED = ("sagemaker_", "_tuning_")
# SageMaker keeps 1,024 characters.
_REASON = 1000
# What errors of these libraries contain if the tracking server cannot be reached, or if SageMaker has stopped it.
_CLIENTS = ("mlflow", "requests", "urllib3")
_UNREACHABLE = re.compile(
    r"Max retries exceeded|Connection refused|too many \d{3} error responses|Tracking server .* is in status"
)
# The last line of a traceback of such an error.
_CLIENT_ERROR = re.compile(rf"(?:{'|'.join(_CLIENTS)})\.[\w.]+: ")
# For how many seconds a job waits for a tracking server that does not answer, and how often it asks.
_RETRY_SECONDS, _PAUSE = 60.0, 5.0
# `prepare` leaves the data's version in its output, for the steps after it, also if that output is from the cache.
_VERSION, _VERSION_FILE = "data.version", ".data-version"
T = TypeVar("T")


class JobError(Exception):
    """The job cannot go on. The message is one line; `unreachable`: because the tracking server does not answer."""

    def __init__(self, message: str, *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.unreachable = unreachable


@dataclass(frozen=True)
class Job:
    """The job that this process is.

    Attributes:
        kind: "training" or "processing".
        base: SageMaker's folder, /opt/ml.
        channels: the folder of each input but the code.
        values: the hyperparameters of a training job.
        outputs: the folders that SageMaker uploads at the end.
        version: of the data.
    """

    kind: str
    name: str
    base: Path
    channels: Mapping[str, Path]
    values: Mapping[str, str] = field(default_factory=dict)
    outputs: Sequence[Path] = ()
    version: str = ""

    @property
    def execution(self) -> str:
        """The id of the pipeline's execution; "" for a job that no pipeline started."""
        found = _JOB.match(self.name)
        return found[1] if found else ""

    @property
    def reason_file(self) -> Path:
        """Where SageMaker reads why the job failed."""
        return self.base / "output" / ("failure" if self.kind == "training" else "message")


def read_job(base: Path, environ: Mapping[str, str]) -> Job:
    """Read what SageMaker wrote about the job.

    Raises:
        JobError: there is no such description below `base`.
    """
    processing = base / "config" / "processingjobconfig.json"
    if processing.is_file():
        given = json.loads(processing.read_text())
        inputs = {one["InputName"]: one["S3Input"]["LocalPath"] for one in given.get("ProcessingInputs") or []}
        channels = {name: Path(path) for name, path in inputs.items() if name != "code"}
        described = (given.get("ProcessingOutputConfig") or {}).get("Outputs") or []
        outputs = [Path(one["S3Output"]["LocalPath"]) for one in described if "S3Output" in one]
        return Job("processing", given["ProcessingJobName"], base, channels, outputs=outputs)
    config = base / "input" / "config"
    if not config.is_dir():
        raise JobError(f"{base} is not a folder of a SageMaker job")
    described = config / "inputdataconfig.json"
    names = json.loads(described.read_text()) if described.is_file() else {}
    channels = {name: base / "input" / "data" / name for name in names if name != "code"}
    given = json.loads((config / "hyperparameters.json").read_text())
    values = {name: value for name, value in given.items() if not name.startswith(_RESERVED)}
    outputs = [base / "model", base / "output" / "data"]
    return Job("training", environ.get("TRAINING_JOB_NAME", ""), base, channels, values, outputs)


def variables(job: Job) -> dict[str, str]:
    """The variables that SageMaker's training toolkit sets.

    Source: https://github.com/aws/sagemaker-training-toolkit, environment.py
    """
    hosts = json.loads(_config(job, "resourceconfig").read_text())
    found: dict[str, Any] = {
        "SM_MODEL_DIR": str(job.base / "model"),
        "SM_INPUT_DIR": str(job.base / "input"),
        "SM_INPUT_CONFIG_DIR": str(job.base / "input" / "config"),
        "SM_OUTPUT_DIR": str(job.base / "output"),
        "SM_OUTPUT_DATA_DIR": str(job.base / "output" / "data"),
        "SM_CHANNELS": sorted(job.channels),
        "SM_HPS": dict(job.values),
        "SM_HOSTS": hosts.get("hosts", []),
        "SM_CURRENT_HOST": hosts.get("current_host", ""),
        "SM_NUM_CPUS": os.cpu_count() or 1,
        "SM_MODULE_DIR": str(HERE),
        **{f"SM_CHANNEL_{name.upper()}": str(path) for name, path in job.channels.items()},
        **{f"SM_HP_{name.upper()}": value for name, value in job.values.items()},
    }
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}


def _config(job: Job, name: str) -> Path:
    folder = "input/config" if job.kind == "training" else "config"
    return job.base / folder / f"{name}.json"


def command(project: Mapping[str, Any], entry: str, job: Job, given: Mapping[str, str]) -> str:
    """The command of an entry point, with its parameters filled in.

    A parameter's value is the first of: what the pipeline gives, the folder of the channel with its name, in a training
    job the model's folder for `model`, and the project's default. If the entry point has a parameter `set`, values with
    other names become NAME=VALUE in it.

    Raises:
        JobError: the entry point, or a parameter that is given, does not exist; or a parameter has no value.
    """
    points = project["entry_points"]
    if entry not in points:
        raise JobError(f"the project has no entry point {entry!r}. It has {', '.join(sorted(points))}.")
    parameters: Mapping[str, str | None] = points[entry]["parameters"]
    if "set" in parameters and (others := [name for name in given if name not in parameters]):
        texts = [given["set"]] if given.get("set") else []
        texts += [f"{name}={given[name]}" for name in others]
        given = {**{name: value for name, value in given.items() if name in parameters}, "set": ",".join(texts)}
    if unknown := sorted(set(given) - set(parameters)):
        raise JobError(f"the entry point {entry!r} has no parameter {unknown[0]!r}. It has {', '.join(parameters)}.")
    values: dict[str, str | None] = {**parameters}
    if job.kind == "training" and "model" in values:
        values["model"] = str(job.base / "model")
    values |= {name: str(path) for name, path in job.channels.items() if name in parameters}
    values |= given
    if missing := [name for name, value in values.items() if value is None]:
        raise JobError(f"the parameter {missing[0]!r} of the entry point {entry!r} has no value")
    text: str = points[entry]["command"]
    return text.format(**{name: shlex.quote(str(value)) for name, value in values.items()})


def unpack(job: Job) -> None:
    """Replace the archive of a trained model (model.tar.gz) in a channel by its files.

    Raises:
        JobError: it is damaged, or a member is neither a file nor a folder, or lies outside. Nothing is then unpacked.
    """
    archives = [(folder, archive) for folder in job.channels.values() for archive in sorted(folder.glob("*.tar.gz"))]
    if not archives:
        return
    # The jobs' code has these modules in a folder beside this file; see `Project.files`.
    sys.path.append(str(HERE / "src"))
    from mlflow_common import safe_path, unpacking

    for folder, archive in archives:
        try:
            with archive.open("rb") as packed, unpacking.opened(packed, shutil.disk_usage(folder).free) as tar:
                unpacking.unpack(tar, folder)
        except unpacking.TooLargeError:
            raise JobError(f"{archive.name} cannot be unpacked: it needs more room than the disk has") from None
        except (*unpacking.UNREADABLE, OSError, safe_path.UnsafeNameError) as error:
            raise JobError(f"{archive.name} cannot be unpacked: {error}") from None
        archive.unlink()


def data_version(job: Job) -> str:
    """The version of the data: what `prepare` left, or else the SHA-256 of what it gets; "" if there is neither."""
    for left in [folder / _VERSION_FILE for folder in job.channels.values()]:
        if left.is_file():
            version = left.read_text(encoding="utf-8")
            left.unlink()  # The entry point finds only what the project wrote.
            return version
    files = sorted(path for path in job.channels.get("data", job.base / "none").rglob("*") if path.is_file())
    digests = []
    for file in files:
        with file.open("rb") as content:
            digests.append(hashlib.file_digest(content, "sha256").hexdigest())
    return (hashlib.sha256("".join(digests).encode()).hexdigest() if len(digests) > 1 else "".join(digests))[:16]


def install(requirements: Sequence[str]) -> None:
    """Install the project's requirements that the image does not have.

    Raises:
        JobError: pip cannot install them.
    """
    missing = [line for line in requirements if not _is_installed(line)]
    if not missing:
        return
    sys.stdout.write(f"installing {', '.join(missing)}\n")
    sys.stdout.flush()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *missing]
    done = subprocess.run(pip, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise JobError(f"pip cannot install the project's requirements: {lines[-1] if lines else 'no reason given'}")


def _is_installed(requirement: str) -> bool:
    """Whether exactly this version is installed, or any version if the requirement names none."""
    found = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?(?:==([^\s;]+))?", requirement.strip())
    try:
        return found is not None and metadata.version(found[1]) == (found[2] or metadata.version(found[1]))
    except metadata.PackageNotFoundError:
        return False


class Run:
    """The MLflow run of this step, below the run of the pipeline's execution."""

    def __init__(self, job: Job, entry: str, environ: Mapping[str, str]) -> None:
        import mlflow

        self.client: Any = mlflow.MlflowClient()
        self.job = job
        experiment = environ.get("MLFLOW_EXPERIMENT_NAME", "Default")
        found = self.client.get_experiment_by_name(experiment)
        self.experiment: str = found.experiment_id if found else self.client.create_experiment(experiment)
        above = environ.get("PARENT_RUN_ID")
        self.parent = self._parent() if job.execution else self.client.get_run(above) if above else None
        inherited = {"pipeline.name", "pipeline.execution", "sweep.name", "mlflow.source.git.commit", _VERSION}
        tags = {**(self.parent.data.tags if self.parent else {}), **({_VERSION: job.version} if job.version else {})}
        self.tags = {name: one for name, one in tags.items() if name in inherited}
        own = {"pipeline.step": entry, "sagemaker.job": job.name, "mlflow.source.name": entry}
        if self.parent:
            own["mlflow.parentRunId"] = self.parent.info.run_id
        self.id: str = self.client.create_run(self.experiment, tags={**self.tags, **own}, run_name=entry).info.run_id

    def _parent(self) -> Any:
        """The run of the execution. The start of an execution creates it; if it is missing, it is created here."""
        query = f"tags.`pipeline.execution` = '{self.job.execution}' and tags.`pipeline.step` = 'pipeline'"
        found = self.client.search_runs([self.experiment], query, max_results=1)
        if found:
            return found[0]
        tags = {"pipeline.execution": self.job.execution, "pipeline.step": "pipeline"}
        return self.client.create_run(self.experiment, tags=tags, run_name=self.job.execution)

    def end(self, status: str) -> None:
        """End the run, and give the pipeline's run the version of the data."""
        self.client.set_terminated(self.id, status)
        version = self.client.get_run(self.id).data.tags.get(_VERSION)
        if self.parent and version and self.parent.data.tags.get(_VERSION) != version:
            self.client.set_tag(self.parent.info.run_id, _VERSION, version)


class Tee(io.TextIOBase):
    """Passes text on, and remembers the last line that is not empty."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rest = ""
        self.last = ""

    def write(self, text: str) -> int:
        """Pass text on."""
        *lines, self._rest = (self._rest + text).split("\n")
        self.last = next((line.strip() for line in reversed([*lines, self._rest]) if line.strip()), self.last)
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def fileno(self) -> int:
        """The stream's file, for child processes."""
        return self._stream.fileno()


def execute(line: str, folder: Path, environ: MutableMapping[str, str]) -> None:
    """Run a command in the project's folder. A Python program runs in this process, which has imported MLflow already.

    Raises:
        JobError: it failed. The message is the last line of its standard error, or its exception.
    """
    os.chdir(folder)
    words = shlex.split(line)
    while words and (found := _ASSIGNMENT.fullmatch(words[0])):
        environ[found[1]] = os.path.expandvars(found[2])
        words = words[1:]
    is_program = len(words) > 1 and words[0] in ("python", "python3") and words[1].endswith(".py")
    tee = Tee(sys.stderr)
    sys.stderr = tee
    try:
        if is_program:
            _run_program(words[1:], environ)
        else:
            with subprocess.Popen(["bash", "-c", line], stderr=subprocess.PIPE, text=True, errors="replace") as running:
                tee.writelines(running.stderr or ())  # Line by line: the log of a job that is killed has them.
            if running.returncode:
                raise SystemExit(running.returncode)
    except SystemExit as ended:
        if ended.code not in (None, 0):
            message = str(ended.code) if isinstance(ended.code, str) else tee.last
            unreachable = bool(_CLIENT_ERROR.match(message) and _UNREACHABLE.search(message))
            reason = message.removeprefix("error: ") or f"exit status {ended.code}"
            raise JobError(reason, unreachable=unreachable) from None
    except Exception as error:
        traceback.print_exc()
        text = " ".join(str(error).split())
        reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
        raise JobError(reason, unreachable=is_unreachable(error)) from None
    finally:
        sys.stderr = tee._stream


def _run_program(words: Sequence[str], environ: Mapping[str, str]) -> None:
    program = Path(words[0]).resolve()
    paths = [str(Path(path).resolve()) for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = [str(program.parent), *(path for path in paths if path not in sys.path)]
    sys.argv = [str(program), *words[1:]]
    runpy.run_path(str(program), run_name="__main__")


def is_unreachable(error: Exception) -> bool:
    """Whether the reason is a tracking server that does not answer, and not a similar error of the program."""
    if isinstance(error, JobError):
        return error.unreachable
    libraries = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return not libraries.isdisjoint(_CLIENTS) and _UNREACHABLE.search(str(error)) is not None


def retry_while_unreachable(work: Callable[[], T]) -> T:
    """Do work that needs the tracking server. Repeats it for a minute while the server does not answer."""
    deadline = time.monotonic() + _RETRY_SECONDS
    while True:
        try:
            return work()
        except Exception as error:
            if not is_unreachable(error) or time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE)


def clean(job: Job) -> None:
    """Remove what an interrupted program left in this process and in the folders that SageMaker uploads."""
    import mlflow

    # `mlflow.start_run` refuses to start a run while another is active.
    while mlflow.active_run():
        mlflow.end_run("FAILED")
    for folder in job.outputs:
        for path in list(folder.iterdir()) if folder.is_dir() else []:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def execute_with_restart(line: str, folder: Path, run: Run, environ: MutableMapping[str, str]) -> None:
    """Run the entry point. If the tracking server stopped meanwhile and answers again, run it once more.

    Raises:
        JobError: it failed, or the server does not answer.
    """
    # MLflow removes the variable when the program continues the run.
    own = {"MLFLOW_RUN_ID": run.id, "PIPELINE_TAGS": json.dumps(run.tags)}
    environ.update(own)
    try:
        execute(line, folder, environ)
    except JobError as error:
        if not is_unreachable(error):
            raise
        retry_while_unreachable(lambda: run.client.get_run(run.id))
        sys.stdout.write("the tracking server answers again: the step starts again\n")
        clean(run.job)
        environ.update(own)
        execute(line, folder, environ)


def register(arguments: Mapping[str, str], run: Run) -> None:
    """Register the model of a training job as the next version of a registered model.

    Raises:
        JobError: that job logged no model.
    """
    name, trained = arguments["model-name"], arguments["training-job"]
    found = run.client.search_runs([run.experiment], f"tags.`sagemaker.job` = '{trained}'", max_results=1)
    logged = run.client.get_run(found[0].info.run_id).outputs if found else None
    if not logged or not logged.model_outputs:
        raise JobError(
            f"the training job {trained} logged no model to MLflow. Call mlflow.<flavor>.log_model in `train`."
        )
    model_id = logged.model_outputs[-1].model_id
    from mlflow.exceptions import MlflowException

    try:
        run.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source, version = found[0].info.run_id, found[0].data.tags.get(_VERSION)
    if version:
        # Of an execution that has all steps before from the cache, only the trained run knows it.
        run.tags[_VERSION] = version
        run.client.set_tag(run.id, _VERSION, version)
    tags = {**run.tags, "pipeline.training_job": trained}
    made = run.client.create_model_version(name, f"models:/{model_id}", run_id=source, model_id=model_id, tags=tags)
    if arguments.get("alias"):
        run.client.set_registered_model_alias(name, arguments["alias"], made.version)
    if run.parent:
        run.client.set_tag(run.parent.info.run_id, "pipeline.model", f"models:/{name}/{made.version}")
    sys.stdout.write(f"registered {name} version {made.version}\n")


def main(arguments: Sequence[str]) -> int:
    """Run the entry point. Returns the exit status."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    job: Job | None = None
    run: Run | None = None
    try:
        job = read_job(base, os.environ)
        job = read = replace(job, version=data_version(job))
        toolkit = os.environ.get("JOB_ENTRY_POINT")
        entry, *rest = [toolkit] if toolkit else arguments
        given = {name.removeprefix("--"): value for name, value in zip(rest[::2], rest[1::2], strict=True)}
        project = json.loads((HERE / "project.json").read_text())
        os.environ.update(variables(job))
        line = "" if entry == "register" else command(project, entry, job, {**given, **job.values})
        unpack(job)
        install(project["requirements"])
        run = opened = retry_while_unreachable(lambda: Run(read, entry, os.environ))
        if entry == "register":
            register(given, run)
        else:
            # A copy, because the channel with the code can be read-only.
            folder = Path(shutil.copytree(HERE, base / "project", dirs_exist_ok=True)) / project["folder"]
            execute_with_restart(line, folder, run, os.environ)
        for output in job.outputs if entry == "prepare" else ():
            (output / _VERSION_FILE).write_text(job.version, encoding="utf-8")
        retry_while_unreachable(lambda: opened.end("FINISHED"))
    except Exception as error:
        return _fail(error, job, run)
    return 0


def _fail(error: Exception, job: Job | None, run: Run | None) -> int:
    if not isinstance(error, JobError):
        traceback.print_exc()
    unreachable = is_unreachable(error)
    reason = " ".join(str(error).split())
    if unreachable:
        reason = f"the tracking server cannot be reached after several attempts ({reason[:300]})"
    elif not isinstance(error, JobError):
        reason = f"{type(error).__name__}: {reason}"
    sys.stderr.write(f"error: {reason}\n")
    if job:
        job.reason_file.parent.mkdir(parents=True, exist_ok=True)
        job.reason_file.write_text(reason[:_REASON], encoding="utf-8")
    if run and not unreachable:
        try:
            run.client.set_tag(run.id, "pipeline.failure", reason[:_REASON])
            run.end("FAILED")
        except Exception as other:
            # It must not hide why the step failed.
            sys.stderr.write(f"error: the run {run.id} was not ended: {' '.join(str(other).split())}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
