"""Build the serving image for a model's requirements, unless the environment's repository has it already."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError
from mlflow_common.waiting import SystemClock
from mlflow_platform import tracking, tracking_server
from mlflow_platform.endpoints import model
from mlflow_platform.session import open_environment

if TYPE_CHECKING:
    from boto3 import Session

    from mlflow_platform.environment import Environment
    from mlflow_platform.images.building import Builder
    from mlflow_platform.images.context import BuildContext

app = make_app()
CODEBUILD = "codebuild"


ModelUri = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="models:/NAME@ALIAS, models:/NAME/VERSION (or latest), models:/m-ID, runs:/RUN_ID/PATH, "
        "or s3://BUCKET/PATH (a model folder or a model.tar.gz).",
        show_default=False,
    ),
]


@app.command()
def build_image(
    uri: ModelUri = None,
    env: Env = "staging",
    local: Local = False,
    requirements: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Build for this requirements file instead of a model's.", show_default=False),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="The Python of --requirements, such as 3.12.", show_default=False),
    ] = None,
    builder: Annotated[
        str, typer.Option(help="Where to build: codebuild (no Docker needed), or docker, podman or buildah here.")
    ] = CODEBUILD,
    base_image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="Begin with this image. Default: see serving/base_images.json."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the image's address and whether it exists. Build nothing.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Build the serving image for a model's requirements, and push it to the environment's repository.

    The tag is the digest of everything the image is built from. Models with equal requirements share one image, and an
    image that exists already is not built again.
    """
    _check_usage(uri, requirements, python, builder)
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        from mlflow_platform.images.building import build_image
        from mlflow_platform.images.repository import ImageRepository

        repository = ImageRepository(session.client("ecr"), environment)
        context = _context(console, environment, session, uri, (requirements, python), base_image)
        if dry_run:
            digest = repository.digest(context.tag)
            console.result({"image": repository.uri(context.tag), "exists": digest is not None, "digest": digest})
            return
        built = build_image(
            context, repository, _builder(console, environment, session, builder), progress=console.progress
        )
        change = "built" if built.built else "none: the repository has this image already"
        console.result({"image": built.uri, "change": change, "changed": built.built, "digest": built.digest})


def _check_usage(uri: str | None, requirements: Path | None, python: str | None, builder: str) -> None:
    from mlflow_platform.images.local_builder import PROGRAMS

    if builder not in (CODEBUILD, *PROGRAMS):
        raise InputError(f"--builder takes {CODEBUILD}, {', '.join(PROGRAMS[:-1])} or {PROGRAMS[-1]}, not {builder!r}.")
    if (uri is None) == (requirements is None):
        raise InputError("give either MODEL or --requirements FILE.")
    if uri is not None:
        model.check_uri(uri)
        if python:
            raise InputError("--python is for --requirements. A model names its own Python.")
    elif not python:
        raise InputError("--requirements needs --python VERSION, the Python that the models were logged with.")


def _context(
    console: Console,
    environment: Environment,
    session: Session,
    uri: str | None,
    given: tuple[Path | None, str | None],
    base_image: str | None,
) -> BuildContext:
    from mlflow_platform.images.context import make_context, read_file
    from mlflow_platform.images.model_requirements import read_requirements

    file, python = given
    if file is not None:
        return make_context(read_file(file), python or "", source=str(file), base_image=base_image)
    found = _find(console, environment, session, uri or "")
    console.progress(f"reading the requirements of {found.uri}")
    wanted = read_requirements(session.client("s3"), found.location)
    return make_context(wanted.text, wanted.python, source=wanted.source, base_image=base_image)


def _find(console: Console, environment: Environment, session: Session, uri: str) -> model.Model:
    if not model.is_tracked(uri):
        return model.find(uri, None)
    tracking_server.require_running(session.client("sagemaker"), environment.server)
    console.progress(f"finding {uri}")
    tracking.prepare(os.environ)
    client = tracking.connect(environment.server, session, model.needs(uri))
    return model.find(uri, client, environment.artifact_stores)


def _builder(console: Console, environment: Environment, session: Session, name: str) -> Builder:
    from mlflow_platform.images.codebuild import Clients, CodeBuildBuilder
    from mlflow_platform.images.local_builder import LocalBuilder

    shown: dict[str, Any] = {"progress": console.progress, "show": console.log}
    if name != CODEBUILD:
        return LocalBuilder(name, session.client("ecr"), **shown)
    clients = Clients(session.client("codebuild"), session.client("s3"), session.client("logs"))
    return CodeBuildBuilder(clients, environment, **shown, clock=SystemClock())


if __name__ == "__main__":
    run(app)
