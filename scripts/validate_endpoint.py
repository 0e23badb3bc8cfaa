"""Send an endpoint rows whose truth is known, and report how well it answers."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform import tracking, tracking_server
from mlflow_platform.endpoints import model, specification
from mlflow_platform.session import open_environment
from mlflow_platform.validation import evaluation
from mlflow_platform.validation import scoring as validation

if TYPE_CHECKING:
    from boto3 import Session
    from mlflow import MlflowClient

    from mlflow_platform.environment import Environment
    from mlflow_platform.validation.scoring import Validation

app = make_app()


@app.command()
def validate_endpoint(
    uri: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="The model as it was deployed, as in models:/NAME@ALIAS; only its NAME counts here.",
            show_default=False,
        ),
    ] = None,
    env: Env = "staging",
    local: Local = False,
    name: Annotated[
        str | None,
        typer.Option("--endpoint", metavar="NAME", help="The endpoint; PROJECT-ENV-MODEL unless given."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rows as CSV; the run's held-out rows unless given.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COL", help="The column of --data that holds the truth.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression; as the run or the data say unless given.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Fail (exit status 1) below this accuracy, or R² of a regression.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows in each request.")] = 5,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where chart and report go; reports/ENDPOINT unless given."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Compare an endpoint's predictions with the truth, and write a chart and a report.

    Metrics, chart and report are also logged to the model's run, under `validation/`.
    """
    asked = _task(task)
    if uri:
        model.check_uri(uri)
    elif not name:
        raise InputError("say which endpoint: the MODEL that it serves, or --endpoint NAME")
    if name:
        specification.check_name(name)
    if (data is None) != (target is None):
        raise InputError("--data FILE and --target COL go together")
    given = validation.read(data, target, task=asked, origin=str(data)) if data and target else None

    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        name = name or specification.default_name(environment, model.registered_name(uri or ""), uri or "")
        tags = _tags_of_serving(session, environment, name)
        run_id = tags.get("run-id")
        client = _connect(console, session, environment) if run_id else None

        rows = given or _held_out(console, client, run_id, name, asked)
        count = len(rows.frame)
        console.progress(f"asking {name} about {count} {'row' if count == 1 else 'rows'}")
        runtime = session.client("sagemaker-runtime")
        answers = validation.ask(runtime, name, rows.features, batch_size=batch_size, seconds=time.perf_counter)
        checked = validation.compare(rows, answers)

        console.progress("writing the report")
        folder = output or Path("reports", name)
        about = {
            "endpoint": name,
            "environment": f"{environment.name} ({environment.account}, {environment.region})",
            **{key: tags[key] for key in ("model-uri", "run-id") if key in tags},
            "data": rows.origin,
            "target": rows.target,
        }
        chart, page = _write(checked, folder, about, threshold)
        if client and run_id:
            console.progress(f"logging to run {run_id}")
            evaluation.log(client, run_id, checked.metrics, [chart, page], endpoint=name)
        console.result(
            {
                "endpoint": name,
                "model_uri": tags.get("model-uri"),
                "run_id": run_id,
                "task": rows.task,
                **{key: round(value) if key == "rows" else value for key, value in checked.metrics.items()},
                "threshold": threshold,
                "passed": checked.passes(threshold),
                "report": str(page),
            }
        )
    if not checked.passes(threshold):
        score = checked.metrics[checked.judged_by]
        raise PlatformError(f"{checked.judged_by} is {score:.4f}, below the threshold of {threshold}")


def _task(text: str | None) -> validation.Task | None:
    known = validation.task_named(text)
    if text and not known:
        raise InputError(f"--task takes {' or '.join(validation.JUDGED_BY)}, not {text!r}")
    return known


def _tags_of_serving(session: Session, environment: Environment, name: str) -> Mapping[str, str]:
    """The tags of an endpoint that serves."""
    from mlflow_platform.endpoints import state

    sagemaker = session.client("sagemaker")
    found = state.find(sagemaker, name)
    if found is None:
        raise PreconditionError(
            f"there is no endpoint {name}. Deploy one with `python scripts/deploy_model.py MODEL "
            f"{environment.ref.options}`."
        )
    if found.status in {"Creating", "Deleting", "Failed", "OutOfService"}:
        raise PreconditionError(f"the endpoint {name} is {found.status} and serves nothing: deploy a model to it")
    return state.tags_of(sagemaker, found)


def _connect(console: Console, session: Session, environment: Environment) -> MlflowClient:
    tracking_server.require_running(session.client("sagemaker"), environment.server)
    console.progress("loading MLflow")
    tracking.prepare(os.environ)
    return tracking.connect(environment.server, session)


def _held_out(
    console: Console, client: MlflowClient | None, run_id: str | None, name: str, task: validation.Task | None
) -> validation.Rows:
    if not client or not run_id:
        raise InputError(f"no tag of {name} says which run its model is of: give --data FILE and --target COL")
    console.progress(f"fetching the held-out rows of run {run_id}")
    return evaluation.fetch(client, run_id, task=task)


def _write(checked: Validation, folder: Path, about: Mapping[str, str], threshold: float | None) -> tuple[Path, Path]:
    """Write chart and report into a folder. Returns their paths."""
    from mlflow_platform.validation import charts, report

    folder.mkdir(parents=True, exist_ok=True)
    chart = charts.draw(checked.rows.task, checked.truth, checked.answers.predictions, folder)
    page = folder / "report.html"
    html = report.render(checked, chart=chart, about=about, threshold=threshold, when=datetime.now(UTC))
    page.write_text(html, encoding="utf-8")
    return chart, page


if __name__ == "__main__":
    run(app)
