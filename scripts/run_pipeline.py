"""Train, evaluate and register a model with a SageMaker pipeline, and follow its steps."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError, PlatformError, explain, reason
from mlflow_common.key_values import parse_key_values
from mlflow_common.waiting import SystemClock
from mlflow_platform import tracking, tracking_server
from mlflow_platform.comparison.direction import is_maximized
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.factory import jobs, parameters, runs
from mlflow_platform.factory.execution import Pipeline, Step, check_name
from mlflow_platform.factory.project import Project, upload
from mlflow_platform.session import open_environment
from training.params import DATASETS
from training.pipeline import FILLED_IN, PARAMETERS, STEPS, Blueprint, definition

if TYPE_CHECKING:
    from boto3 import Session
    from mlflow import MlflowClient

    from mlflow_platform.compatibility.matrix import Operation
    from mlflow_platform.environment import Environment

app = make_app()

# What would not be one part of the path `metrics.NAME.value`, with which SageMaker reads evaluation.json.
_NO_METRIC = re.compile(r"""[.\[\]'"\s]""")

# The parameters of the pipeline that follow from options, which check them and use them for more.
_OPTIONS = {
    "ImageUri": "--image",
    "DataUri": "--data",
    "TargetColumn": "--target",
    "TrackingUri": "--env",
    "Experiment": "--experiment",
    "ModelName": "--register",
    "ModelAlias": "--alias",
    "Threshold": "--threshold",
}

# The jobs log and register the models. Their image should have the same MLflow.
_NEEDS: list[Operation] = ["experiments", "runs", "upload_artifacts", "log_model", "registry", "aliases"]

ProjectFolder = Annotated[
    Path, typer.Option("--project", metavar="DIR", help="The folder of the MLflow project.", show_default="training")
]
Name = Annotated[str | None, typer.Option(help="The pipeline's name. Default: PROJECT-ENV-MODEL.")]
Data = Annotated[str, typer.Option(metavar="DATA", help=f"{', '.join(DATASETS)}, a file, or an s3:// URI.")]
Target = Annotated[str, typer.Option(metavar="COL", help="The column with the true values.")]
Metric = Annotated[str, typer.Option(metavar="NAME", help="The metric of evaluation.json that decides.")]
Threshold = Annotated[
    float, typer.Option(help="Register the model if the metric is at least this, or at most if smaller is better.")
]
Maximize = Annotated[
    bool | None,
    typer.Option("--maximize/--minimize", help="Whether larger is better. Default: decided by the metric's name."),
]
Register = Annotated[str | None, typer.Option(metavar="NAME", help="The registered model. Default: the data's name.")]
Alias = Annotated[str, typer.Option(help="The alias of the registered version.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="ENTRY.NAME=VALUE", help="A parameter of an entry point. May be repeated."),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", metavar="NAME=VALUE", help="A parameter of the pipeline. May be repeated."),
]
Image = Annotated[str | None, typer.Option(metavar="URI", help="The image of the jobs, with Python 3.11 or later.")]
Role = Annotated[str | None, typer.Option(metavar="ARN", help="The role of the jobs. Default: the environment's.")]
Experiment = Annotated[str | None, typer.Option(help="The MLflow experiment. Default: the pipeline's name.")]
Concurrent = Annotated[bool, typer.Option("--concurrent", help="Start even if an execution is running.")]


@dataclass(frozen=True)
class Options:
    """The options, checked as far as possible without AWS."""

    project: Project
    model: str
    data: str
    target: str
    metric: str
    threshold: float
    maximize: bool
    values: dict[str, dict[str, str]]
    parameters: dict[str, str]
    concurrent: bool


@app.command()
def run_pipeline(
    env: Env = "staging",
    local: Local = False,
    project: ProjectFolder = REPOSITORY / "training",
    name: Name = None,
    data: Data = "iris",
    target: Target = "",
    metric: Metric = "accuracy",
    threshold: Threshold = 0.9,
    maximize: Maximize = None,
    register: Register = None,
    alias: Alias = "candidate",
    set_: Set = None,
    parameter: Parameters = None,
    image: Image = None,
    role: Role = None,
    experiment: Experiment = None,
    concurrent: Concurrent = False,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Create or update the pipeline, run it, and show its steps.

    The exit status is 0 if a model was registered, and 1 if a step failed or the metric did not reach the threshold.
    """
    if name is not None:
        check_name(name)
    model = register or _stem(data)
    tracking.check_model_name(model)
    tracking.check_alias(alias)
    if not metric or _NO_METRIC.search(metric):
        raise InputError(f"--metric takes a name without dots, brackets, quotes and spaces, not {metric!r}.")
    given = parse_key_values(parameter or [], "--parameter", "NAME=VALUE")
    for own in sorted(given.keys() & _OPTIONS.keys()):
        raise InputError(f"the parameter {own} is set by {_OPTIONS[own]}. Use that option.")
    values = {"ModelAlias": alias, "TargetColumn": target, "ModelName": model, "Threshold": repr(threshold)}
    options = Options(
        project=Project.read(project),
        model=model,
        data=_checked_data(data, target),
        target=target,
        metric=metric,
        threshold=threshold,
        maximize=is_maximized(metric) if maximize is None else maximize,
        values={},
        parameters={**values, **given},
        concurrent=concurrent,
    )
    options.values.update(_values(options.project, set_ or []))
    # The others are known when the environment is. A wrong one is refused before anything is read.
    later = {"ImageUri": "-", "DataUri": "-", "TrackingUri": "-"}
    parameters.check({**later, **options.parameters}, PARAMETERS)
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        tracking.check_client(environment.server, _NEEDS)
        tracking_server.require_running(session.client("sagemaker"), environment.server)
        options.parameters.setdefault("ImageUri", jobs.image_of(environment, image, "Python 3.11 or later"))
        _run(console, environment, session, options, jobs.role_of(environment, role), name, experiment)


def _run(
    console: Console,
    environment: Environment,
    session: Session,
    options: Options,
    role: str,
    name: str | None,
    experiment: str | None,
) -> None:
    name = name or f"{environment.prefix}{options.model}"
    pipeline = Pipeline(session.client("sagemaker"), session.client("logs"), name, SystemClock())
    if not options.concurrent:
        # Before anything is written: an update would change what a retry of the running execution runs.
        pipeline.check_idle()
    console.progress(f"uploading the code of {options.project.folder.name}")
    given = _prepare(environment, session, options, name, experiment or name)
    code, version = given.pop("code"), given.pop("version")
    entry_points = {key: list(one.parameters) for key, one in options.project.entry_points.items()}
    document = definition(
        Blueprint(
            role=role,
            code=code,
            outputs=f"{environment.artifact_store}/pipelines/{name}/executions",
            entry_points=entry_points,
            metric=options.metric,
            maximize=options.maximize,
            values=options.values,
            tags=environment.tags,
        )
    )
    written = pipeline.upsert(document, role, environment.tags)
    console.progress(f"{'wrote' if written else 'found'} the pipeline {name}; loading MLflow")
    tracking.prepare(os.environ)
    client = tracking.connect(environment.server, session, _NEEDS)
    experiment_id = tracking.experiment_id(client, given["Experiment"])
    source = runs.commit(options.project.folder)
    arn = pipeline.start(
        given, concurrent=options.concurrent, description=f"commit {source}" if source else "no commit"
    )
    run_id = runs.open_run(client, experiment_id, arn, source=source, version=version, tags=environment.tags)
    above, _, execution = arn.rpartition("/")
    console.progress(f"execution {execution} started")
    _close_ended(console, client, experiment_id, name, lambda one: pipeline.has_succeeded(f"{above}/{one}"))
    steps, registered = follow(
        console, pipeline, arn, lambda ok: _close(console, client, run_id, experiment_id, succeeded=ok)
    )
    console.result(
        {
            "pipeline": name,
            "execution": arn,
            "run_id": run_id,
            "model_uri": registered,
            "alias": given["ModelAlias"],
            "commit": source,
            "cached_steps": ", ".join(step.name for step in steps.values() if step.is_cached) or None,
        }
    )


def follow(
    console: Console, pipeline: Pipeline, arn: str, close: Callable[[bool], str | None]
) -> tuple[dict[str, Step], str | None]:
    """Follow an execution to its end, and then close its run.

    If only this command ends, the run stays open: the next command for the pipeline closes it as the execution ended.
    """
    try:
        steps = pipeline.follow(arn, console.progress)
    except PlatformError:
        close(False)
        raise
    except BaseException:
        look = f"aws sagemaker describe-pipeline-execution --pipeline-execution-arn {arn}"
        console.progress(f"the execution continues. `{look}` shows how it ended")
        raise
    return steps, close(True)


def _close_ended(
    console: Console, client: MlflowClient, experiment_id: str, name: str, has_succeeded: Callable[[str], bool | None]
) -> None:
    """End the runs of earlier executions. What they left must not keep the present one from being followed."""
    try:
        runs.close_ended(client, experiment_id, name, has_succeeded)
    except Exception as error:
        console.progress(f"the runs of earlier executions were not ended: {reason(error)}")


def _close(console: Console, client: MlflowClient, run_id: str, experiment_id: str, *, succeeded: bool) -> str | None:
    """End the run. A tracking server that does not answer must not hide why the execution failed."""
    try:
        return runs.close_run(client, run_id, experiment_id, succeeded=succeeded)
    except Exception as error:
        known = explain(error)
        if known is None or succeeded:
            raise
        console.progress(f"the run {run_id} was not ended: {known.message}")
        return None


def _prepare(
    environment: Environment, session: Session, options: Options, name: str, experiment: str
) -> dict[str, str]:
    """Upload code and data.

    Returns the parameters of the execution, as `code` the folder of the code, and as `version` that of the data: "" for
    data that is in S3 already, which the first step tells.
    """
    s3 = session.client("s3")
    files = options.project.files(REPOSITORY / "training" / "job.py")
    folder = f"{environment.artifact_store}/pipelines/{name}".removeprefix(f"s3://{environment.bucket}/")
    code = upload(files, s3, environment.bucket, f"{folder}/code")
    data, digest = options.data, ""
    if not data.startswith("s3://"):
        file, content = _content(data)
        digest = hashlib.sha256(content).hexdigest()[:16]
        s3.put_object(Bucket=environment.bucket, Key=f"{folder}/data/{digest}/{file}", Body=content)
        data = f"s3://{environment.bucket}/{folder}/data/{digest}"
    target = options.target or _own_target(options.data)
    own = {"DataUri": data, "TargetColumn": target, "TrackingUri": environment.server.arn, "Experiment": experiment}
    chosen = {key: value for key, value in options.parameters.items() if key != "TargetColumn" or value}
    return parameters.check({**own, **chosen}, PARAMETERS) | {"code": code, "version": digest}


def _content(data: str) -> tuple[str, bytes]:
    """Name and content of the file with the data."""
    dataset = next((known for known in DATASETS if known == data), None)
    if dataset:
        from training.data import table

        return f"{dataset}.csv", table(dataset)[0].to_csv(index=False).encode()
    return Path(data).name, Path(data).read_bytes()


def _own_target(data: str) -> str:
    from training.data import table

    dataset = next((known for known in DATASETS if known == data), None)
    return table(dataset)[1] if dataset else ""


def _stem(data: str) -> str:
    return Path(data.rstrip("/")).stem


def _checked_data(data: str, target: str) -> str:
    if data in DATASETS:
        return data
    if not data.startswith("s3://") and not Path(data).is_file():
        raise InputError(f"there is no file {data}. --data takes {', '.join(DATASETS)}, a file or an s3:// URI.")
    if not target:
        raise InputError("--data needs --target COL: the column with the true values.")
    return data


def _values(project: Project, texts: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for key, value in parse_key_values(texts, "--set", "NAME=VALUE").items():
        entry, _, name = key.partition(".")
        if entry not in STEPS or entry not in project.entry_points:
            known = [one for one in STEPS if one in project.entry_points]
            raise InputError(f"--set takes ENTRY.NAME=VALUE with an ENTRY out of {', '.join(known)}, not {key!r}.")
        if name not in project.entry_points[entry].parameters:
            known = list(project.entry_points[entry].parameters)
            raise InputError(f"the entry point {entry!r} has no parameter {name!r}. It has {', '.join(known)}.")
        project.entry_points[entry].check(name, value)
        found.setdefault(entry, {})[name] = value
    project.check_complete(found, FILLED_IN)
    return found


if __name__ == "__main__":
    run(app, resume="`aws sagemaker list-pipeline-executions --pipeline-name NAME` shows the executions.")
