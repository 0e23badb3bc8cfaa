"""Monitors the variants of an endpoint: ingests, joins truth, assesses, publishes, and writes the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, reason
from mlflow_platform.monitoring import (
    assessment,
    baseline,
    endpoints,
    ingestion,
    publishing,
    quality,
    report,
    truth,
    windows,
)
from mlflow_platform.monitoring.assessment import Assessment, Settings
from mlflow_platform.monitoring.endpoints import Variant
from mlflow_platform.monitoring.ingestion import Ingested
from mlflow_platform.monitoring.outcome import Outcome, summary
from mlflow_platform.monitoring.publishing import Place
from mlflow_platform.monitoring.store import Store
from mlflow_platform.monitoring.truth import Truth
from mlflow_platform.validation import files
from mlflow_platform.validation.table import Table, listed
from mlflow_platform.validation.thresholds import Threshold

if TYPE_CHECKING:
    from boto3 import Session
    from mlflow import MlflowClient
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment

_TRUTH = "truth/"
STATUS = "status.json"


@dataclass(frozen=True)
class Job:
    """What is monitored with.

    Attributes:
        environment, session: where.
        client: of the tracking server; None without one.
        settings: windows and limits.
        now: the time that the windows end at.
        progress: is called with each step.
        baseline_file: a file in place of the training rows of the runs.
    """

    environment: Environment
    session: Session
    client: MlflowClient | None
    settings: Settings
    now: datetime
    progress: Callable[[str], None]
    baseline_file: Path | None = None


def store_of(environment: Environment, session: Session, endpoint: str) -> Store:
    """The folder of an endpoint's monitoring in the artifact store."""
    return Store(session.client("s3"), f"{environment.artifact_store}/monitoring/{endpoint}")


def run(job: Job, names: Sequence[str]) -> tuple[list[Outcome], list[str]]:
    """Monitor every variant of some endpoints.

    Returns an outcome for each variant, and a sentence for each that could not be monitored. Its files and answers come
    from those who may deploy a model, and must not stop the monitoring of the others.

    Raises:
        Exception: the only variant could not be monitored.
    """
    sagemaker, s3 = job.session.client("sagemaker"), job.session.client("s3")
    found: list[Outcome] = []
    failures: list[tuple[str, Exception]] = []

    def failed(where: str, error: Exception) -> None:
        failures.append((where, error))
        job.progress(f"{where} could not be monitored: {reason(error)}")

    for name in names:
        try:
            variants = endpoints.variants(sagemaker, s3, job.environment, name)
        except Exception as error:
            failed(name, error)
            continue
        for variant in variants:
            try:
                # Each stores its result before the next one starts.
                found.append(_monitor(job, variant))
            except Exception as error:
                failed(f"{name} ({variant.name})", error)
    alarms = sum(bool(outcome.assessment.alarms) for outcome in found)
    seen = publishing.ended(_cloudwatch(job.session), _label(job.environment), alarms=alarms, completed=not failures)
    if not seen and found:
        found[-1].notes.append(
            "These credentials may not put metrics in CloudWatch, so its alarm does not see this run."
        )
    if len(failures) == len(names) == 1 and not found:
        raise failures[0][1]
    return found, [f"{where}: {reason(error)}" for where, error in failures]


def add_truth(store: Store, truths: Sequence[Truth]) -> tuple[str, bool]:
    """Store truth for later runs. Returns its URI, and whether it is new: the same truth is stored once."""
    name, content = truth.to_parquet(truths)
    key = f"{_TRUTH}{name}"
    new = store.read(key) is None
    if new:
        store.write(key, content)
    return store.uri(key), new


def stored_truths(store: Store) -> tuple[list[list[Truth]], list[str]]:
    """The files of truth, oldest first, and sentences about those that cannot be read.

    Programs may write files there too: CSV, JSON or Parquet with the columns `inference_id`, `truth` and, if requests
    have several rows, `row`.
    """
    found, notes = [], []
    for item in sorted(store.list(_TRUTH), key=lambda each: (each.modified, each.key)):
        content = store.read(item.key)
        if content is None or item.key.endswith("/"):
            continue
        try:
            table = files.parse(content, item.key.rpartition("/")[2], truth.ID)
            row = truth.ROW if truth.ROW in table.columns else None
            found.append(truth.read(table, id_column=truth.ID, truth_column=truth.TRUTH, row_column=row))
        except InputError as error:
            notes.append(f"A file of truth was left out: {error.message}.")
    return found, notes


def read_truth(table: Table, columns: tuple[str, str, str | None]) -> list[Truth]:
    """Truth in a table: the columns of the inference id, the truth and the row number (None: there is none).

    Raises:
        InputError: see `truth.read`; or the table has no rows.
    """
    if not len(table):
        raise InputError(f"{table.name} has no rows")
    id_column, truth_column, row_column = columns
    return truth.read(table, id_column=id_column, truth_column=truth_column, row_column=row_column)


def require(sagemaker: SageMakerClient, environment: Environment, endpoint: str) -> None:
    """Check that an endpoint exists in the environment; it need not capture data any more.

    Raises:
        InputError: it does not.
    """
    endpoints.find(sagemaker, environment, endpoint)


def stored_report(store: Store, variant: str) -> bytes | None:
    """The report of a variant's last run; None if there is none."""
    return store.read(_report_key(variant))


def status(store: Store) -> list[dict[str, Any]]:
    """What the last run stored for each variant; empty if there was none.

    Raises:
        PlatformError: it cannot be read.
    """
    return store.read_json(STATUS, lambda found: [{**each, "variant": each["variant"]} for each in found], [])


def _monitor(job: Job, variant: Variant) -> Outcome:
    place = Place(_label(job.environment), variant.endpoint, variant.name)
    store = store_of(job.environment, job.session, variant.endpoint)
    job.progress(f"reading the captured requests of {variant.endpoint}, variant {variant.name}")
    spans = windows.recent(job.now, hours=job.settings.hours, days=job.settings.days)
    days = windows.days_of(spans)
    deployments = endpoints.remember(store, variant.name, variant.current)
    captured = Store(job.session.client("s3"), variant.destination)
    ingested = ingestion.ingest(captured, store, (variant.endpoint, variant.name), days, deployments)
    compared = _baseline(job, variant)
    truths, notes = stored_truths(store)
    job.progress(f"comparing {variant.name} with {compared.origin}")
    model = deployments[-1]
    found = assessment.assess(ingestion.load(store, variant.name, days), truths, compared, model, spans, job.settings)
    outcome = Outcome(place, found, ingested, model.uri, model.run_id)
    outcome.notes = [
        *compared.notes,
        *notes,
        *found.joined.notes,
        *_about_rows(found, ingested, job.settings.quality.thresholds),
    ]
    outcome.page = report.render(outcome, when=job.now)
    _publish(job, outcome, store)
    return outcome


def _publish(job: Job, outcome: Outcome, store: Store) -> None:
    """Store report and status, and log to MLflow and CloudWatch."""
    variant = outcome.place.variant
    key = _report_key(variant)
    store.write(key, outcome.page.encode(errors="backslashreplace"), "text/html; charset=utf-8")
    outcome.report = store.uri(key)
    if job.client is not None and outcome.run_id is not None and publishing.usable(job.client, outcome.run_id):
        job.progress(f"logging to run {outcome.run_id}")
        with TemporaryDirectory() as folder:
            page = Path(folder, "report.html")
            page.write_text(outcome.page, encoding="utf-8", errors="backslashreplace")
            outcome.logged = publishing.to_mlflow(
                job.client, outcome.run_id, outcome.place, outcome.assessment, store, page
            )
    else:
        outcome.notes.append("Nothing was logged to MLflow: the model's run is unknown, or not on this server.")
    publishing.to_cloudwatch(_cloudwatch(job.session), outcome.place, outcome.assessment, outcome.ingested.malformed)
    others = [each for each in status(store) if each["variant"] != variant]
    now = {"when": job.now.isoformat(timespec="seconds"), **summary(outcome)}
    store.write(STATUS, json.dumps([*others, now], indent=1).encode(), "application/json")


def _baseline(job: Job, variant: Variant) -> baseline.Baseline:
    signature = variant.current.signature
    from_run = baseline.from_run(job.client, variant.current.run_id, signature, job.environment.artifact_stores)
    return baseline.from_file(job.baseline_file, signature, from_run) if job.baseline_file else from_run


def _about_rows(found: Assessment, ingested: Ingested, thresholds: Sequence[Threshold]) -> list[str]:
    notes = []
    if ingested.malformed:
        named = "; ".join(ingested.problems[:3])
        notes.append(f"{ingested.malformed} captured lines cannot be used and were left out: {named}.")
    if found.other_rows:
        notes.append(
            f"{found.other_rows} captured rows were not answered by the present deployment and are not assessed."
        )
    if found.unanswered:
        notes.append(f"{found.unanswered} captured rows have no captured answer: their predictions are not assessed.")
    if found.unjudged:
        what = "Drift" if found.judged is None else "Drift of the predictions"
        notes.append(f"{what} is not judged: {found.unjudged}.")
    elif found.not_compared:
        notes.append(f"Drift is not judged in {listed(found.not_compared)}.")
    task = found.scored.quality.task if found.scored else None
    name = quality.MAIN[task] if task else None
    if name and name not in found.baseline.reference and not any(one.metric in (None, name) for one in thresholds):
        notes.append(
            f"A worse {name} raises no alarm: the model's run has none that it can be compared with. Validate the "
            "endpoint, or give --threshold."
        )
    notes += dict.fromkeys(note for result in found.results for note in result.quality.notes)
    problems = {result.quality.problem for result in found.results if result.quality.problem}
    return notes + [f"Quality could not be computed: {problem}." for problem in sorted(problems)]


def _report_key(variant: str) -> str:
    return f"reports/{variant}/report.html"


def _label(environment: Environment) -> str:
    return f"{environment.project}-{environment.name}"


def _cloudwatch(session: Session) -> Any:
    make: Callable[[str], Any] = session.client  # type: ignore[assignment]
    return make("cloudwatch")
