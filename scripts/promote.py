"""Promote the best model of an experiment, if it beats the champion on the same held-out rows."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError
from mlflow_platform import tracking, tracking_server
from mlflow_platform.session import open_environment

if TYPE_CHECKING:
    from boto3 import Session

    from mlflow_platform.compatibility.matrix import Operation
    from mlflow_platform.endpoints.model import Model
    from mlflow_platform.environment import Environment
    from mlflow_platform.promotion.packaging import Pushed
    from mlflow_platform.promotion.promotion import Plan, Request

app = make_app()

_APPROVALS = {"pending": "PendingManualApproval", "approved": "Approved", "rejected": "Rejected"}

Experiment = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="The experiment whose runs are the candidates.")]
Metric = Annotated[str, typer.Option(metavar="NAME", help="The logged metric that ranks the runs.")]
Maximize = Annotated[
    bool | None,
    typer.Option("--maximize/--minimize", help="Whether larger is better. Default: decided by the metric's name."),
]
Where = Annotated[str, typer.Option("--filter", help="An MLflow filter for the runs: \"params.max_depth = '3'\".")]
ModelName = Annotated[str | None, typer.Option(metavar="NAME", help="Which model of a run, if it logged several.")]
Name = Annotated[
    str | None, typer.Option("--register", metavar="NAME", help="The registered model. Default: EXPERIMENT.")
]
Alias = Annotated[str, typer.Option(metavar="NAME", help="The alias that the winner gets.")]
Data = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Held-out rows for both models, as for validate_endpoint.py. Default: those of the best run.",
    ),
]
Target = Annotated[str | None, typer.Option(metavar="COL", help="The column of --data that holds the truth.")]
Judge = Annotated[
    str | None,
    typer.Option(
        metavar="METRIC",
        help="The metric that compares the models. Default: --metric if it is computed, else accuracy or r2.",
    ),
]
Margin = Annotated[float, typer.Option(min=0.0, help="How much better than the champion the winner must be.")]
Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        metavar="METRIC=NUMBER",
        help="Promote nothing (exit status 1) if the best model is worse. May be repeated.",
    ),
]
Image = Annotated[
    str | None,
    typer.Option("--image", metavar="URI", help="The package's serving image. Default: as for deploy_model.py."),
]
Approval = Annotated[
    str | None,
    typer.Option(
        metavar="STATUS",
        help="The package's approval: pending, approved or rejected. Default: pending if it is new, else unchanged.",
    ),
]
Push = Annotated[
    bool,
    typer.Option(" /--no-package", help="Leave the winner out of SageMaker's model registry.", show_default=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Compare, show what would change, and change nothing.")]


@app.command()
def promote(
    experiment: Experiment,
    metric: Metric,
    env: Env = "staging",
    local: Local = False,
    name: Name = None,
    alias: Alias = "champion",
    where: Where = "",
    maximize: Maximize = None,
    model_name: ModelName = None,
    data: Data = None,
    target: Target = None,
    judge: Judge = None,
    margin: Margin = 0.0,
    threshold: Thresholds = None,
    image: Image = None,
    approval: Approval = None,
    push: Push = True,
    dry_run: DryRun = False,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Register the best model of an experiment, and make it the champion if it beats the current one.

    Both models are loaded on this machine and scored on the same held-out rows. This runs their code: only promote
    models that you trust. The winner is pushed to SageMaker's model registry. If the champion is better, nothing but
    the registration and the record of the comparison changes, and the exit status is 0.
    """
    from mlflow_platform.promotion import promotion
    from mlflow_platform.validation import files, thresholds
    from mlflow_platform.validation.evaluation import HeldOut

    if (data is None) != (target is None):
        raise InputError("--data FILE and --target COL go together.")
    _check_package(image, approval, push=push)
    name = name or experiment
    tracking.check_model_name(name)
    tracking.check_alias(alias)
    promotion.check_judge(judge)
    required = thresholds.parse(threshold or [])
    held_out = HeldOut(files.read(data, target), target, None) if data and target else None
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        request = promotion.Request(
            experiment=experiment,
            metric=metric,
            name=name,
            alias=alias,
            where=where,
            maximize=maximize,
            model_name=model_name,
            judge=judge,
            margin=margin,
            held_out=held_out,
            stores=environment.artifact_stores,
            required=required,
        )
        status = _APPROVALS.get(approval or "")
        _promote(console, environment, session, request, image, status, push=push, dry_run=dry_run)


def _check_package(image: str | None, approval: str | None, *, push: bool) -> None:
    if approval and approval not in _APPROVALS:
        raise InputError(f"--approval takes {', '.join(_APPROVALS)}, not {approval!r}.")
    if not push and (image or approval):
        raise InputError(f"{'--image' if image else '--approval'} is for the package: leave it or --no-package out.")


def _promote(
    console: Console,
    environment: Environment,
    session: Session,
    request: Request,
    image: str | None,
    approval: str | None,
    *,
    push: bool,
    dry_run: bool,
) -> None:
    from mlflow_platform.endpoints import serving_image
    from mlflow_platform.promotion import packaging, promotion, registration

    if push:
        packaging.group_name(environment, request.name)
    tracking_server.require_running(session.client("sagemaker"), environment.server)
    console.progress("loading MLflow")
    tracking.prepare(os.environ)
    needs: list[Operation] = ["experiments", "runs", "upload_artifacts", "list_artifacts", "registry", "aliases"]
    if request.held_out is None:
        needs.append("download_artifacts")
    client = tracking.connect(environment.server, session, needs)
    planned = promotion.plan(client, session.client("s3"), request, console.progress)
    model, pushed, existing = planned.candidate, None, None
    becomes = planned.wins or planned.verdict is None
    if dry_run:
        if push and becomes and model.name:
            existing = packaging.existing(session.client("sagemaker"), environment, model)
    else:
        model = promotion.carry_out(client, planned, request, console.progress)
        if push and becomes:
            chosen = serving_image.choose(session, environment, model.location, image, version("mlflow"))
            console.progress(f"image: {chosen}")
            evidence = registration.evidence_uri(client, request.alias, model)
            wish = packaging.Wish(chosen.uri, approval, evidence)
            pushed = packaging.push(
                session.client("sagemaker"), session.client("s3"), environment, model, wish, console.progress
            )
    _show(console, planned, model, request, pushed, existing, dry_run=dry_run)


def _show(
    console: Console,
    planned: Plan,
    model: Model,
    request: Request,
    pushed: Pushed | None,
    existing: str | None,
    *,
    dry_run: bool,
) -> None:
    verdict = planned.verdict
    moved = planned.wins
    changes = [
        *([f"{'would register' if dry_run else 'registered'} {model.uri}"] if planned.registers else []),
        *([f"{'would move' if dry_run else 'moved'} {request.alias}"] if moved else []),
        *([f"package {pushed.change}"] if pushed and pushed.change != "none" else []),
    ]
    table = verdict.lines() if verdict else []
    result: dict[str, Any] = {
        "experiment": request.experiment,
        "candidates": sum(request.metric in row.metrics for row in planned.ranking.compared.rows),
        "best_run": planned.ranking.best.run_id,
        "ranked_by": f"{request.metric} {planned.ranking.best.metrics[request.metric]:.6g}",
        "model_uri": model.uri,
        "alias": request.alias,
        "champion_before": planned.champion.uri if planned.champion else None,
        "verdict": verdict.summary if verdict else f"{model.uri} is the {request.alias} already",
        "promoted": moved,
        "change": ", ".join(changes) or "none",
        "changed": bool(changes) and not dry_run,
        "held_out": planned.data.get("origin"),
        "package": pushed.arn if pushed else existing,
        "approval": pushed.approval if pushed else None,
    }
    if console.as_json:
        metrics = {
            "candidate": dict(verdict.candidate.metrics) if verdict else None,
            "champion": dict(verdict.champion.metrics) if verdict and verdict.champion else None,
        }
        console.result({**result, "metrics": metrics})
        return
    console.result(result)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))] if table else []
    console.table(
        [("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), "") for row in table]
    )


if __name__ == "__main__":
    run(app)
