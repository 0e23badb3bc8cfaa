"""Send rows whose truth is known to an endpoint, and report how well it predicts them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError, PlatformError, explain
from mlflow_common.output_paths import check_output_folder
from mlflow_platform import tracking, tracking_server
from mlflow_platform.endpoints import model, specification
from mlflow_platform.session import open_environment

# The modules of validation are imported where they are used: --help must not wait for them.
if TYPE_CHECKING:
    from boto3 import Session
    from mlflow import MlflowClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    from mlflow_platform.compatibility.matrix import Operation
    from mlflow_platform.environment import Environment
    from mlflow_platform.validation.endpoint import Endpoint
    from mlflow_platform.validation.evaluation import HeldOut
    from mlflow_platform.validation.invocation import Load
    from mlflow_platform.validation.local_model import Agreement
    from mlflow_platform.validation.report import About
    from mlflow_platform.validation.requests import Request
    from mlflow_platform.validation.rows import Rows, Task
    from mlflow_platform.validation.scoring import Validation
    from mlflow_platform.validation.signature import Signature
    from mlflow_platform.validation.table import Table
    from mlflow_platform.validation.thresholds import Threshold, Verdict

app = make_app()
_REPORTS = Path("reports")


@dataclass(frozen=True)
class Options:
    """The options of a validation, checked."""

    task: Task | None
    target: str | None
    table: Table | None
    data: str
    thresholds: list[Threshold]
    classes: tuple[str, ...]
    batch_size: int
    load: Load
    compare_local: bool
    output: Path | None


Model = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="The model as it was deployed, as in models:/NAME@ALIAS. Only its NAME matters: the endpoint must serve "
        "that registered model.",
        show_default=False,
    ),
]
EndpointName = Annotated[
    str | None, typer.Option("--endpoint", metavar="NAME", help="The endpoint. Default: PROJECT-ENV-MODEL.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Rows as CSV, JSON (split, records, instances, inputs), JSON lines or Parquet, by the file's name. "
        "Default: the held-out rows of the model's run.",
    ),
]
Target = Annotated[str | None, typer.Option(metavar="COL", help="The column of --data that holds the truth.")]
TaskName = Annotated[
    str | None, typer.Option(help="classification or regression. Default: what the run or the data say.")
]
ClassNames = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,NAME",
        help="The classes of which the model predicts probabilities, in its order, where it does not name them.",
    ),
]
Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METRIC=NUMBER",
        help="Fail (exit status 1) if the metric is worse, as in accuracy=0.9 or latency_p95_ms=200. A number alone is "
        "for accuracy, or R² of a regression. May be repeated.",
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Rows in each request.")]
Clients = Annotated[int, typer.Option(min=1, max=256, help="Clients that send requests at the same time.")]
RequestCount = Annotated[
    int,
    typer.Option(
        "--requests",
        min=0,
        max=1_000_000,
        metavar="N",
        help="Send at least N requests, with rows repeated, to measure the latency.",
    ),
]
CompareLocal = Annotated[
    bool,
    typer.Option(
        "--compare-local",
        help="Also load the served model on this machine, and fail if its predictions differ. This runs the model's "
        "code here: only do it with a model that you trust.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where charts and report are written. Default: reports/ENDPOINT."),
]


@app.command()
def validate_endpoint(
    uri: Model = None,
    env: Env = "staging",
    local: Local = False,
    name: EndpointName = None,
    data: Data = None,
    target: Target = None,
    task: TaskName = None,
    classes: ClassNames = None,
    threshold: Thresholds = None,
    batch_size: BatchSize = 5,
    clients: Clients = 1,
    request_count: RequestCount = 0,
    compare_local: CompareLocal = False,
    output: Output = None,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Compare an endpoint's predictions with the truth, and write charts and a report.

    Metrics, charts and report are also logged to the model's run, under `validation/`.
    """
    from mlflow_platform.validation import files, rows, thresholds
    from mlflow_platform.validation.invocation import Load

    _check_endpoint(uri, name)
    if (data is None) != (target is None):
        raise InputError("--data FILE and --target COL go together")
    if task and not rows.task_named(task):
        raise InputError(f"--task takes {' or '.join(rows.TASKS)}, not {task!r}")
    check_output_folder(output or _REPORTS)
    options = Options(
        task=rows.task_named(task),
        target=target,
        table=files.read(data, target) if data and target else None,
        data=str(data),
        thresholds=thresholds.parse(threshold or []),
        classes=tuple(classes.split(",")) if classes else (),
        batch_size=batch_size,
        load=Load(clients, request_count),
        compare_local=compare_local,
        output=output,
    )
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        endpoint = _find(environment, session, uri, name)
        failures = _validate(console, environment, session, endpoint, options)
    if failures:
        raise PlatformError("; ".join(failures))


def _check_endpoint(uri: str | None, name: str | None) -> None:
    if not uri and not name:
        raise InputError("say which endpoint: the MODEL that it serves, or --endpoint NAME")
    if uri:
        model.check_uri(uri)
    if name:
        specification.check_name(name)


def _find(environment: Environment, session: Session, uri: str | None, name: str | None) -> Endpoint:
    from mlflow_platform.validation import endpoint as endpoints

    wanted = model.registered_name(uri or "")
    name = name or specification.default_name(environment, wanted, uri or "")
    return endpoints.find(session.client("sagemaker"), session.client("s3"), environment, name, wanted=wanted)


def _validate(
    console: Console, environment: Environment, session: Session, endpoint: Endpoint, options: Options
) -> list[str]:
    """Ask, score, write the report, log it, and show the result. Returns what is not as good as it must be."""
    from mlflow_platform.validation import invocation, requests, scoring, thresholds

    client = _connect(console, session, environment, options) if endpoint.run_id else None
    signature, notes = _signature(endpoint, options)
    prepared = _rows(console, environment, client, endpoint, options, signature)
    if prepared.ignored:
        notes.append(f"Columns that the model does not take were left out: {', '.join(prepared.ignored)}.")
    sent = requests.make(prepared, batch_size=options.batch_size)
    console.progress(f"sending {len(prepared)} {'row' if len(prepared) == 1 else 'rows'} to {endpoint.name}")
    runtime, load = _runtime(session, options.load), options.load
    answers = invocation.ask(runtime, endpoint.name, sent, load=load, seconds=time.perf_counter, variant=endpoint.asked)
    checked = scoring.compare(prepared, answers)
    thresholds.check_task(options.thresholds, checked.task)
    if answers.predictions.missing:
        notes.append(f"{answers.predictions.missing} of {len(prepared)} rows have no prediction and count as wrong.")
    notes += checked.notes
    agreement = _compare_local(console, session, endpoint, sent, checked) if options.compare_local else None
    if agreement:
        checked = replace(checked, metrics={**checked.metrics, "local_agreement": agreement.share})
        notes.append(f"Compared with the model on this machine: {agreement}.")
    verdicts = thresholds.judge(options.thresholds, dict(checked.metrics), checked.judged_by)
    about = _about(environment, endpoint, prepared, notes, verdicts)
    paths = _write(console, checked, options.output or _REPORTS / endpoint.name, about)
    logged, unlogged = False, None
    try:
        logged = _log(console, client, endpoint, checked, paths)
    except Exception as error:
        unlogged = explain(error)
        if unlogged is None:
            raise
    for note in notes:
        console.progress(f"note: {note}")
    failures = [str(verdict) for verdict in verdicts if not verdict.passed]
    if agreement and agreement.first is not None:
        failures.append(f"the endpoint and the model on this machine disagree: {agreement}")
    _show(console, endpoint, checked, verdicts, page=paths[-1], logged=logged, passed=not failures)
    if unlogged:
        failures.append(f"the validation was not logged to run {endpoint.run_id}, or only in part: {unlogged.message}")
    return failures


def _signature(endpoint: Endpoint, options: Options) -> tuple[Signature, list[str]]:
    """The signature of the served model, and what to note about it."""
    from mlflow_platform.validation.signature import Signature

    signature = endpoint.artifact.signature if endpoint.artifact else Signature()
    notes = []
    if not signature.inputs:
        notes.append("The model has no signature, so the types of the columns were guessed from the data.")
    if endpoint.asked:
        others = ", ".join(endpoint.variants[1:])
        notes.append(f"Only the variant {endpoint.asked} was asked, which serves this model, and not: {others}.")
    if options.classes:
        signature = replace(signature, class_names=options.classes)
    return signature, notes


def _rows(
    console: Console,
    environment: Environment,
    client: MlflowClient | None,
    endpoint: Endpoint,
    options: Options,
    signature: Signature,
) -> Rows:
    from mlflow_platform.validation import evaluation, rows

    if options.table and options.target:
        task = options.task or evaluation.task_of(client, endpoint.run_id)
        return rows.prepare(options.table, options.target, task=task, signature=signature, origin=options.data)
    held_out = _held_out(console, environment, client, endpoint)
    task, origin = options.task or held_out.task, f"the run's {evaluation.HELD_OUT}"
    return rows.prepare(held_out.table, held_out.target, task=task, signature=signature, origin=origin)


def _held_out(console: Console, environment: Environment, client: MlflowClient | None, endpoint: Endpoint) -> HeldOut:
    from mlflow_platform.validation import evaluation

    if not client or not endpoint.run_id:
        raise InputError(f"no tag of {endpoint.name} says which run its model is of: give --data FILE and --target COL")
    console.progress(f"fetching the held-out rows of run {endpoint.run_id}")
    return evaluation.fetch(client, endpoint.run_id, stores=environment.artifact_stores)


def _connect(console: Console, session: Session, environment: Environment, options: Options) -> MlflowClient:
    tracking_server.require_running(session.client("sagemaker"), environment.server)
    console.progress("loading MLflow")
    tracking.prepare(os.environ)
    needs: list[Operation] = ["runs", "upload_artifacts"]
    if options.table is None:
        needs.append("download_artifacts")
    return tracking.connect(environment.server, session, needs)


def _runtime(session: Session, load: Load) -> SageMakerRuntimeClient:
    from botocore.config import Config

    return session.client("sagemaker-runtime", config=Config(max_pool_connections=max(10, load.clients)))


def _compare_local(
    console: Console, session: Session, endpoint: Endpoint, sent: list[Request], checked: Validation
) -> Agreement:
    if endpoint.artifact is None:
        raise InputError(f"{endpoint.name} does not serve an MLflow model: leave out --compare-local")
    console.progress("loading the model on this machine")
    tracking.prepare(os.environ)
    from mlflow_platform.validation import local_model

    with TemporaryDirectory() as folder:
        unpacked = local_model.download(session.client("s3"), endpoint.artifact, Path(folder))
        here = local_model.score(unpacked, sent)
    return local_model.compare(checked.answers.predictions, here)


def _about(
    environment: Environment, endpoint: Endpoint, prepared: Rows, notes: list[str], verdicts: list[Verdict]
) -> About:
    from mlflow_platform.validation.report import About

    facts = {
        "endpoint": endpoint.name,
        "environment": f"{environment.name} ({environment.account}, {environment.region})",
        **({"model": endpoint.served.uri} if endpoint.served.uri else {}),
        **({"run": endpoint.run_id} if endpoint.run_id else {}),
        "data": prepared.origin,
        "target": prepared.target,
    }
    return About(endpoint.name, facts, datetime.now(UTC), notes, verdicts)


def _write(console: Console, checked: Validation, folder: Path, about: About) -> list[Path]:
    """Write charts and report into a folder. Returns their paths, the report last."""
    console.progress("writing the report")
    from mlflow_platform.validation import report

    try:
        folder.mkdir(parents=True, exist_ok=True)
        charts = report.draw(checked, folder)
        page = folder / report.PAGE
        # JSON can hold text that has no UTF-8 form.
        page.write_text(report.render(checked, about, charts), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InputError(
            f"the report cannot be written to {folder} ({error.strerror or error}): choose another folder with --output"
        ) from None
    return [*(chart.path for chart in charts), page]


def _log(
    console: Console, client: MlflowClient | None, endpoint: Endpoint, checked: Validation, paths: list[Path]
) -> bool:
    """Log to the model's run, where there is one. Returns whether it was logged."""
    from mlflow_platform.validation import evaluation

    if client is None or endpoint.run_id is None:
        console.progress(f"nothing was logged: no tag of {endpoint.name} says which run its model is of")
        return False
    if evaluation.find_run(client, endpoint.run_id) is None:
        console.progress(f"nothing was logged: the run {endpoint.run_id} is not on this server, or is deleted")
        return False
    console.progress(f"logging to run {endpoint.run_id}")
    evaluation.log(client, endpoint.run_id, checked.metrics, paths, endpoint=endpoint.name)
    return True


def _show(
    console: Console,
    endpoint: Endpoint,
    checked: Validation,
    verdicts: list[Verdict],
    *,
    page: Path,
    logged: bool,
    passed: bool,
) -> None:
    counts = {"rows", "missing_predictions"}
    metrics = {name: round(value) if name in counts else value for name, value in checked.metrics.items()}
    limits = {verdict.metric: verdict.limit for verdict in verdicts}
    console.result(
        {
            "endpoint": endpoint.name,
            "model_uri": endpoint.served.uri,
            "run_id": endpoint.run_id,
            "task": checked.task,
            **metrics,
            "thresholds": (limits or None) if console.as_json else _listed(limits),
            "passed": passed,
            "logged": logged,
            "report": str(page),
        }
    )


def _listed(limits: dict[str, float]) -> str | None:
    return ", ".join(f"{metric}={limit:g}" for metric, limit in limits.items()) or None


if __name__ == "__main__":
    run(app)
