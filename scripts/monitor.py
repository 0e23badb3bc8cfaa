"""Monitor endpoints that capture data: drift, and quality on the rows whose truth has arrived."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_common.numbers import short
from mlflow_common.output_paths import check_output_file
from mlflow_platform import tracking, tracking_server
from mlflow_platform.endpoints import specification
from mlflow_platform.session import open_environment

# The modules of monitoring are imported where they are used: --help must not wait for them.
if TYPE_CHECKING:
    from boto3 import Session
    from mlflow import MlflowClient

    from mlflow_platform.compatibility.matrix import Operation
    from mlflow_platform.environment import Environment
    from mlflow_platform.monitoring.assessment import Settings

app = make_app(__doc__)

_NEEDS: list[Operation] = ["runs", "upload_artifacts", "list_artifacts", "download_artifacts"]

Endpoint = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The endpoint. Default: every endpoint of the environment that captures data."),
]
OneEndpoint = Annotated[str, typer.Option("--endpoint", metavar="NAME", help="The endpoint.")]
VariantName = Annotated[str, typer.Option("--variant", metavar="NAME", help="The endpoint's variant.")]
Hours = Annotated[int, typer.Option("--window", metavar="HOURS", help="Hours in a window; they must divide a day.")]
Days = Annotated[int, typer.Option(min=1, max=366, help="Days to look back, for late files and late truth.")]
MinRows = Annotated[int, typer.Option(min=2, help="Rows that a window needs for a judgement on drift.")]
MinTruth = Annotated[int, typer.Option(min=1, help="Rows with truth that a window needs for a judgement on quality.")]
Drop = Annotated[
    float,
    typer.Option(
        "--max-drop",
        min=0,
        metavar="NUMBER",
        help="How far accuracy may fall below that of the model's validation, or by which share RMSE may exceed it.",
    ),
]
Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METRIC=NUMBER",
        help="Raise the alarm and exit with 1 if the metric is worse, as in f1_macro=0.8. Exit with 3 if it cannot be "
        "judged. Repeatable.",
    ),
]
BaselineFile = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help="Rows to compare with (CSV, JSON or Parquet) instead of the training rows of the model's run.",
    ),
]
FailOnDrift = Annotated[
    bool,
    typer.Option("--fail-on-drift", help="Exit with 1 if the alarm is raised, and with 3 if drift cannot be judged."),
]
TruthFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="True values as CSV, JSON, JSON lines or Parquet, by the file's name.")
]
IdColumn = Annotated[str, typer.Option("--id", metavar="COL", help="The column of the inference ids.")]
RowColumn = Annotated[
    str | None,
    typer.Option(
        "--row",
        metavar="COL",
        help="The column of the row numbers (from 0), for requests of several rows. Default: `row`, if there is one.",
    ),
]
Target = Annotated[str, typer.Option("--target", metavar="COL", help="The column of the true values.")]
Output = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Where the report is written. Default: reports/ENDPOINT.")
]


@app.command("run")
def run_command(
    env: Env = "staging",
    local: Local = False,
    endpoint: Endpoint = None,
    window: Hours = 24,
    days: Days = 7,
    min_rows: MinRows = 50,
    min_truth: MinTruth = 30,
    drop: Drop = 0.1,
    threshold: Thresholds = None,
    baseline: BaselineFile = None,
    fail_on_drift: FailOnDrift = False,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Read what was captured, join the truth, judge drift and quality, and write the report.

    The results are stored in the artifact bucket and logged to the model's run and to CloudWatch.
    """
    from mlflow_platform.monitoring import gate, service
    from mlflow_platform.monitoring import outcome as outcomes_of

    now = datetime.now(UTC)
    settings = _settings(now, window, days, (min_rows, min_truth), drop, threshold)
    _check(endpoint)
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        names = _names(environment, session, endpoint)
        client = _connect(console, environment, session)
        job = service.Job(environment, session, client, settings, now, console.progress, baseline)
        outcomes, failures = service.run(job, names)
        found = [outcomes_of.summary(outcome) for outcome in outcomes]
        for each in found:
            for note in each["notes"]:
                console.progress(f"note on {each['endpoint']} ({each['variant']}): {note}")
        console.result({"endpoints": found, "failed": failures} if as_json else _listed(found))
        if failures:
            count = len(failures)
            raise PlatformError(f"{count} {'variant' if count == 1 else 'variants'} could not be monitored.", failures)
        gate.check(outcomes, settings.quality, fail_on_drift=fail_on_drift)


@app.command("truth")
def truth_command(
    file: TruthFile,
    endpoint: OneEndpoint,
    target: Target = "truth",
    id_column: IdColumn = "inference_id",
    row_column: RowColumn = None,
    env: Env = "staging",
    local: Local = False,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Store true values for the next run, which joins them to the captured rows by inference id.

    The same values are stored once. A later file corrects an earlier one.
    """
    from mlflow_platform.monitoring import service
    from mlflow_platform.validation import files

    _check(endpoint)
    table = files.read_any(file, id_column)
    row = row_column or ("row" if "row" in table.columns else None)
    truths = service.read_truth(table, (id_column, target, row))
    environment, session = open_environment(env, local=local)
    service.require(session.client("sagemaker"), environment, endpoint)
    uri, new = service.add_truth(service.store_of(environment, session, endpoint), truths)
    Console(as_json=as_json).result({"endpoint": endpoint, "true_values": len(truths), "new": new, "stored": uri})


@app.command("status")
def status_command(
    env: Env = "staging",
    local: Local = False,
    endpoint: Endpoint = None,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Show what the last run found for each endpoint."""
    from mlflow_platform.monitoring import service

    _check(endpoint)
    environment, session = open_environment(env, local=local)
    found: list[dict[str, Any]] = []
    for name in _names(environment, session, endpoint):
        try:
            last = service.status(service.store_of(environment, session, name))
        except PlatformError as error:
            last = [{"endpoint": name, "drift": f"unknown: {error.message}"}]
        command = f".venv/bin/python scripts/monitor.py run {environment.ref.options} --endpoint {name}"
        found += last or [{"endpoint": name, "drift": "never monitored", "first_run": command}]
    Console(as_json=as_json).result({"endpoints": found} if as_json else _listed(found))


@app.command("report")
def report_command(
    endpoint: OneEndpoint,
    variant: VariantName = "AllTraffic",
    env: Env = "staging",
    local: Local = False,
    output: Output = None,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Download the report of the last run."""
    from mlflow_platform.monitoring import service

    _check(endpoint)
    path = output or Path("reports", endpoint, "monitoring.html")
    check_output_file(path)
    environment, session = open_environment(env, local=local)
    page = service.stored_report(service.store_of(environment, session, endpoint), variant)
    if page is None:
        raise PreconditionError(
            f"there is no report on {endpoint}, variant {variant}. Run `.venv/bin/python scripts/monitor.py run "
            f"{environment.ref.options} --endpoint {endpoint}`."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(page)
    Console(as_json=as_json).result({"endpoint": endpoint, "variant": variant, "report": str(path)})


def _settings(
    now: datetime, hours: int, days: int, rows: tuple[int, int], drop: float, threshold: list[str] | None
) -> Settings:
    """The settings, checked."""
    from mlflow_platform.monitoring import windows
    from mlflow_platform.monitoring.assessment import Settings
    from mlflow_platform.monitoring.drift import Limits
    from mlflow_platform.monitoring.quality import QualityLimits
    from mlflow_platform.validation import thresholds

    windows.recent(now, hours=hours, days=days)
    limits = QualityLimits(rows[1], drop, thresholds.parse(threshold or []))
    return Settings(hours, days, Limits(rows=rows[0]), limits)


def _check(endpoint: str | None) -> None:
    if endpoint is not None:
        specification.check_name(endpoint)


def _names(environment: Environment, session: Session, endpoint: str | None) -> list[str]:
    from mlflow_platform.monitoring import endpoints

    names = [endpoint] if endpoint else endpoints.capturing(session.client("sagemaker"), environment)
    if not names:
        raise PreconditionError(
            f"no endpoint of {environment.name} captures data. Deploy a model with "
            f"`.venv/bin/python scripts/deploy_model.py MODEL {environment.ref.options} --capture 100`."
        )
    return names


def _connect(console: Console, environment: Environment, session: Session) -> MlflowClient:
    tracking_server.require_running(session.client("sagemaker"), environment.server)
    console.progress("loading MLflow")
    tracking.prepare(os.environ)
    return tracking.connect(environment.server, session, _NEEDS)


def _listed(found: list[dict[str, Any]]) -> dict[str, str]:
    """One line for each variant: what was found."""
    lines = {}
    for each in found:
        name = f"{each['endpoint']} ({each['variant']})" if "variant" in each else each["endpoint"]
        parts = [f"drift: {', '.join(each.get('drifted') or []) or each['drift']}"]
        if "first_run" in each:
            parts.append(f"run `{each['first_run']}`")
        if each.get("quality"):
            shown = [f"{key} {short(value, 3)}" for key, value in list(each["quality"].items())[:2]]
            parts.append(f"quality: {', '.join(shown)} ({each['truth_share']:.0%} of rows have truth)")
        if each.get("alarms"):
            parts.append("ALARM")
        lines[name] = "; ".join([*parts, *([f"report: {each['report']}"] if each.get("report") else [])])
    return lines


if __name__ == "__main__":
    run(app)
