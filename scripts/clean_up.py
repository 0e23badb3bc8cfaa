"""Find what an environment no longer needs, and delete it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_platform.cleanup import items as kinds_of
from mlflow_platform.cleanup.items import Criteria
from mlflow_platform.session import open_environment

if TYPE_CHECKING:
    from boto3 import Session

    from mlflow_platform.cleanup.items import Found
    from mlflow_platform.cleanup.search import Access
    from mlflow_platform.environment import Environment

app = make_app()


@app.command()
def clean_up(
    env: Env = "staging",
    local: Local = False,
    what: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help=f"What to clean up: {', '.join(kinds_of.KINDS)}. Repeatable. Default: all but {kinds_of.OLD_RUNS}.",
        ),
    ] = None,
    older_than: Annotated[
        int, typer.Option(min=0, max=36500, metavar="DAYS", help="Only what ended or was written this long ago.")
    ] = 90,
    experiment: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only runs and artifacts of this experiment (name or id). Repeatable."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only runs with this tag; KEY for any value. Repeatable."),
    ] = None,
    keep_images: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="The newest images that are kept.")] = 3,
    dry_run: Annotated[
        bool, typer.Option("--dry-run/--yes", help="Only show what would be deleted, or delete it.")
    ] = True,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Show what an environment no longer needs, with its size and cost; with --yes, delete it.

    Keeps everything that a registered model version or a SageMaker model refers to, every configuration of an endpoint
    that exists, runs that are not finished, and runs with the tag `keep`.
    """
    now = datetime.now(UTC)
    criteria = Criteria(
        kinds=kinds_of.parse_kinds(what or [], of_runs_only=bool(experiment or tag)),
        before=now - timedelta(days=older_than),
        experiments=frozenset(experiment or []),
        tags=kinds_of.parse_tags(tag or []),
        keep_images=keep_images,
        settled=now - kinds_of.SETTLING,
    )
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        access = _connect(console, environment, session, criteria)
        from mlflow_platform.cleanup import report
        from mlflow_platform.cleanup.search import search
        from mlflow_platform.plan_guard.cost import Prices

        found = search(access, environment, criteria, console.progress)
        if not what:
            found.skipped[kinds_of.OLD_RUNS] = f"finished runs are results; add --what {kinds_of.OLD_RUNS}"
        result = {"environment": env, "dry_run": dry_run, **report.as_json(found, Prices.load(), environment.region)}
        if not as_json:
            _show(console, access, environment, found)
        if dry_run:
            console.result(result if as_json else {"result": _advice(found)})
            return
        _delete(console, access, environment, found, result)


def _connect(console: Console, environment: Environment, session: Session, criteria: Criteria) -> Access:
    from mlflow_platform.cleanup.search import Access

    client = None
    if criteria.kinds & kinds_of.TRACKING_KINDS:
        from mlflow_platform import tracking, tracking_server

        tracking_server.require_running(session.client("sagemaker"), environment.server)
        console.progress("loading MLflow")
        tracking.prepare(os.environ)
        client = tracking.connect(environment.server, session, ["experiments", "runs", "registry"])
    return Access(session.client("sagemaker"), session.client("s3"), session.client("ecr"), client)


def _show(console: Console, access: Access, environment: Environment, found: Found) -> None:
    from mlflow_platform.cleanup import report
    from mlflow_platform.cleanup.objects import keeps_versions
    from mlflow_platform.plan_guard.cost import Prices

    lines = report.lines(found, Prices.load(), environment.region)
    if any(item.objects for item in found.items) and keeps_versions(access.s3, environment.artifact_store):
        lines.append(("The bucket keeps deleted objects as old versions until its lifecycle rule ends.", ""))
    console.table(lines)


def _delete(
    console: Console, access: Access, environment: Environment, found: Found, result: dict[str, object]
) -> None:
    from mlflow_platform.cleanup.deletion import delete

    outcome = delete(access, environment, found.items, console.progress)
    done: dict[str, object] = {
        "deleted": [item.as_json() for item in outcome.deleted],
        "left": [item.as_json() | {"reason": reason} for item, reason in outcome.left],
        "kept": [one.as_json() for one in (*found.kept, *outcome.kept)],
    }
    if console.as_json:
        console.result(result | done)
    else:
        console.table([(f"kept {one.name}: {one.reason}", "green") for one in outcome.kept])
        console.result({"deleted": f"{len(outcome.deleted)} of {len(found.items)} items"})
    outcome.check(f"`.venv/bin/python scripts/clean_up.py {environment.ref.options} --yes` with the same options")


def _advice(found: Found) -> str:
    if not found.items:
        return "there is nothing to delete"
    return f"nothing was deleted (dry run). Add --yes to delete these {len(found.items)} items"


if __name__ == "__main__":
    run(app)
