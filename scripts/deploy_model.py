"""Deploy a model to an environment's endpoint, update what it serves, or remove it."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError
from mlflow_common.waiting import SystemClock
from mlflow_platform import tracking
from mlflow_platform import tracking_server as server
from mlflow_platform.endpoints import deployment as endpoint
from mlflow_platform.endpoints import model
from mlflow_platform.endpoints import model_archive as archive
from mlflow_platform.endpoints import specification as plan
from mlflow_platform.endpoints.resources import Clients
from mlflow_platform.session import open_environment

if TYPE_CHECKING:
    from boto3 import Session

    from mlflow_platform.environment import Environment

app = make_app()


@app.command()
def deploy_model(
    uri: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="models:/NAME@ALIAS, models:/NAME/VERSION, runs:/RUN_ID/PATH, "
            "or s3://BUCKET/PATH (a model folder or a model.tar.gz).",
            show_default=False,
        ),
    ] = None,
    env: Env = "staging",
    local: Local = False,
    name: Annotated[
        str | None,
        typer.Option("--endpoint", metavar="NAME", help="The endpoint; PROJECT-ENV-MODEL unless given."),
    ] = None,
    image_uri: Annotated[
        str | None,
        typer.Option(help="The serving image; MLflow's mlflow-pyfunc in the account's ECR unless given."),
    ] = None,
    instance_type: Annotated[str, typer.Option(help="The instances to serve on.")] = "ml.m5.large",
    instance_count: Annotated[int, typer.Option(min=1, help="How many instances.")] = 1,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove the endpoint, its configurations, models and archives.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Make an endpoint serve a model, and wait until it does.

    A second run finds the model served and changes nothing.

    A model that does not start leaves the endpoint as it was; the end of its log is shown.
    """
    if uri:
        model.check_uri(uri)
    elif not (delete and name):
        raise InputError("say which model (MODEL), or which endpoint to remove (--endpoint NAME --delete)")
    if name:
        plan.check_name(name)
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        clients = Clients(session.client("sagemaker"), session.client("s3"), session.client("logs"))
        if not name:
            name = plan.default_name(environment, model.registered_name(uri or ""), uri or "")
        if delete:
            _delete(console, clients, environment, name)
        else:
            # Before anything is put into the bucket, from where nobody would remove it again.
            endpoint.look_at_own(clients.sagemaker, environment, name)
            image = image_uri or _default_image(environment, session)
            found = _find(console, clients, environment, session, uri or "")
            _deploy(console, clients, environment, found, (name, image, instance_type, instance_count))


def _find(console: Console, clients: Clients, environment: Environment, session: Session, uri: str) -> model.Model:
    if not model.is_tracked(uri):
        return model.find(uri, None)
    server.require_running(clients.sagemaker, environment)
    console.progress(f"finding {uri}")
    tracking.prepare(os.environ)
    return model.find(uri, tracking.connect(environment, session))


def _deploy(
    console: Console,
    clients: Clients,
    environment: Environment,
    found: model.Model,
    wanted: tuple[str, str, str, int],
) -> None:
    name, image, instance_type, instance_count = wanted
    with TemporaryDirectory() as folder:
        console.progress(f"packing {found.location}")
        packed = archive.make(clients.s3, found.location, Path(folder))
        found = found.in_run(packed.run_id)
        tags = plan.tags(environment, found)
        wish = plan.Plan(
            endpoint=name,
            archive_uri=plan.archive_uri(environment, name, packed.digest),
            image=image,
            role=environment.endpoint_role,
            instance_type=instance_type,
            instance_count=instance_count,
            tags=tags,
        )
        archive.upload(clients.s3, packed, wish.archive_uri, tags)
    change = endpoint.deploy(clients, environment, wish, progress=console.progress, clock=SystemClock())
    console.result(
        {
            "endpoint": name,
            "change": "none: it serves this model already" if change == "unchanged" else change,
            "changed": change != "unchanged",
            "status": "InService",
            "model_uri": found.uri,
            "run_id": found.run_id,
            "model": wish.model_name,
            "configuration": wish.config_name,
            "archive": wish.archive_uri,
            "image": image,
            "instances": f"{instance_count} x {instance_type}",
        }
    )


def _delete(console: Console, clients: Clients, environment: Environment, name: str) -> None:
    removed = endpoint.delete(clients, environment, name, progress=console.progress, clock=SystemClock())
    belongings = removed.belongings
    nothing = not (removed.endpoint or belongings)
    console.result(
        {
            "endpoint": name,
            "change": "none: there was nothing to remove" if nothing else "removed",
            "changed": not nothing,
            "configurations": len(belongings.configs),
            "models": len(belongings.models),
            "archives": len(belongings.archives),
        }
    )


def _default_image(environment: Environment, session: Session) -> str:
    """The image that `mlflow sagemaker build-and-push-container` pushes for the MLflow on this machine."""
    suffix = session.get_partition_for_region(environment.region)
    domain = "amazonaws.com.cn" if suffix == "aws-cn" else "amazonaws.com"
    registry = f"{environment.account}.dkr.ecr.{environment.region}.{domain}"
    return f"{registry}/mlflow-pyfunc:{version('mlflow')}"


if __name__ == "__main__":
    run(app)
