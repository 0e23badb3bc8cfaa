"""Show, start or stop an environment's tracking server, open its UI, or find its backups."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, echo, make_app, run
from mlflow_common.errors import PreconditionError
from mlflow_common.waiting import SystemClock
from mlflow_platform import tracking_server
from mlflow_platform.session import open_environment

app = make_app(__doc__)


@app.command()
def status(env: Env = "staging", local: Local = False, as_json: Json = False, debug: Debug = False) -> None:  # noqa: ARG001
    """Show the server's state, version, size and artifact store."""
    environment, session = open_environment(env, local=local)
    found = tracking_server.describe(session.client("sagemaker"), environment.server)
    Console(as_json=as_json).result(
        {**_shown(found), "tracking_uri": environment.server.arn, "artifact_store": found.artifact_store}
    )


@app.command()
def start(env: Env = "staging", local: Local = False, as_json: Json = False, debug: Debug = False) -> None:  # noqa: ARG001
    """Start a stopped server, and wait until it runs (minutes on AWS)."""
    with Console(as_json=as_json) as console:
        environment, session = open_environment(env, local=local)
        sagemaker = session.client("sagemaker")
        found, changed = tracking_server.start(
            sagemaker, environment.server, progress=console.progress, clock=SystemClock()
        )
        console.result({**_shown(found), "changed": changed})


@app.command()
def stop(env: Env = "staging", local: Local = False, as_json: Json = False, debug: Debug = False) -> None:  # noqa: ARG001
    """Stop the server, and wait until it is stopped. Runs and models are kept."""
    with Console(as_json=as_json) as console:
        environment, session = open_environment(env, local=local)
        sagemaker = session.client("sagemaker")
        found, changed = tracking_server.stop(
            sagemaker, environment.server, progress=console.progress, clock=SystemClock()
        )
        console.result({**_shown(found), "changed": changed})


@app.command()
def ui(
    env: Env = "staging",
    local: Local = False,
    experiment: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The experiment that it opens. Default: MLflow's first page."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Print a link that opens the UI in a browser once, within five minutes."""
    environment, session = open_environment(env, local=local)
    sagemaker = session.client("sagemaker")
    tracking_server.require_running(sagemaker, environment.server)
    fragment = ""
    if experiment is not None:
        from mlflow_platform import tracking
        from mlflow_platform.comparison.reading import experiment_id

        client = tracking.connect(environment.server, session, ["experiments"])
        fragment = f"/experiments/{experiment_id(client, experiment)}"
    Console(as_json=as_json).result({"ui_link": tracking_server.ui_link(sagemaker, environment.server, fragment)})


@app.command()
def archive(env: Env = "staging", local: Local = False, debug: Debug = False) -> None:  # noqa: ARG001
    """Print the URI of the server's backups and nothing else, for `make backup`."""
    environment, _ = open_environment(env, local=local)
    if environment.backup_archive is None:
        raise PreconditionError(
            f"{env} has no nightly backup, so {environment.source} names no archive. Name one, as in "
            f"`make backup ARCHIVE={environment.artifact_store}/backups/{environment.server.name}`."
        )
    echo(environment.backup_archive)


def _shown(found: tracking_server.ServerDescription) -> dict[str, Any]:
    return {
        "server": found.name,
        "status": found.status,
        "running": found.running,
        "mlflow_version": found.version,
        **({"size": found.size} if found.size else {}),
    }


if __name__ == "__main__":
    run(app)
