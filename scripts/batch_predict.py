"""Predict the rows of files with a SageMaker transform job, and join the predictions with the rows."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError, PlatformError
from mlflow_common.output_paths import check_output_file
from mlflow_common.waiting import SystemClock
from mlflow_platform import tracking, tracking_server
from mlflow_platform.endpoints import model, package, specification
from mlflow_platform.session import open_environment

if TYPE_CHECKING:
    from boto3 import Session

    from mlflow_platform.batch.job import Job
    from mlflow_platform.batch.outputs import Joined
    from mlflow_platform.endpoints.publishing import Hosting, Published
    from mlflow_platform.environment import Environment
    from mlflow_platform.validation.signature import Signature

app = make_app()

Uri = Annotated[str, typer.Argument(metavar="MODEL", help="The model, in any of the forms that deploy_model.py takes.")]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="CSV, JSON, JSON lines or Parquet: a local file, an object s3://BUCKET/KEY, or all files below "
        "s3://BUCKET/PREFIX/.",
    ),
]
Output = Annotated[Path, typer.Option(metavar="FILE", help="Where rows and predictions are written: .csv or .jsonl.")]
# Without a suffix, as of /dev/stdout, it is CSV.
_FORMATS = {"", ".csv", ".jsonl", ".ndjson"}
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The prefix of the names on AWS. Default: PROJECT-ENV-MODEL-batch."),
]
Image = Annotated[
    str | None, typer.Option("--image", metavar="URI", help="The serving image. Default: as for deploy_model.py.")
]
InstanceType = Annotated[str, typer.Option(help="The type of the instances.")]
InstanceCount = Annotated[int, typer.Option(min=1, help="The number of instances.")]
RequestRows = Annotated[int, typer.Option(min=1, metavar="N", help="The most rows in a request.")]
PartRows = Annotated[
    int, typer.Option(min=1, metavar="N", help="The most rows in an object of the job. A failed row fails its object.")
]


@app.command()
def batch_predict(
    uri: Uri,
    data: Data,
    env: Env = "staging",
    local: Local = False,
    output: Output = Path("predictions.csv"),
    name: Name = None,
    image: Image = None,
    instance_type: InstanceType = "ml.m5.large",
    instance_count: InstanceCount = 1,
    rows_per_request: RequestRows = 100,
    rows_per_object: PartRows = 10_000,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Predict the rows of files with a transform job, and write them with their predictions.

    If some rows fail, the others are written, the failed ones are listed, and the exit status is 1. The same command
    follows a job that runs already, and uses the outputs of one that is done.
    """
    (package.check_arn if package.is_package(uri) else model.check_uri)(uri)
    if name:
        specification.check_name(name)
    check_output_file(output, source=None if data.startswith("s3://") else Path(data))
    if output.suffix.lower() not in _FORMATS:
        raise InputError(f"--output: {output} is neither .csv nor .jsonl. Choose one of these formats by the name.")
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        from mlflow_platform.batch import inputs, job, outputs
        from mlflow_platform.endpoints.creation import ensure_model
        from mlflow_platform.endpoints.publishing import Hosting

        s3, sagemaker = session.client("s3"), session.client("sagemaker")
        console.progress(f"reading {data}")
        tables = inputs.read(s3, data, console.progress)
        hosting = Hosting(image or "", instance_type, instance_count)
        published, signature = _published(console, environment, session, uri, name, hosting)
        divided = inputs.parts(
            tables, signature, in_request=rows_per_request, in_part=rows_per_object, progress=console.progress
        )
        parts = list(divided)
        ensure_model(sagemaker, published.spec)
        batches = job.Batches(sagemaker, s3, progress=console.progress, clock=SystemClock())
        done = batches.run(published.spec, parts, environment.artifact_store)
        joined = outputs.join(s3, done.outputs, parts)
        outputs.write(joined, output, several=len(tables) > 1)
        _show(console, session, done, joined, published, output)


def _published(
    console: Console, environment: Environment, session: Session, uri: str, name: str | None, hosting: Hosting
) -> tuple[Published, Signature]:
    """Publish the model for the job, unless it is there already. Returns it with the model's signature."""
    from dataclasses import replace

    from mlflow_platform.endpoints import publishing, serving_image
    from mlflow_platform.validation import served_artifact
    from mlflow_platform.validation.signature import Signature

    s3, sagemaker = session.client("s3"), session.client("sagemaker")
    if package.is_package(uri):
        pushed = package.describe(sagemaker, environment, uri)
        package.require_approved(pushed, approve=False)
        name = name or _default_name(environment, pushed.model.name, uri)
        published = publishing.publish_package(s3, environment, name, pushed, hosting)
        archive = pushed.archive_uri or ""
    else:
        name = name or _default_name(environment, model.registered_name(uri), uri)
        found = _find(console, environment, session, uri)
        chosen = serving_image.choose(session, environment, found.location, hosting.image or None, version("mlflow"))
        console.progress(f"image of {found.uri}: {chosen}")
        console.progress(f"packing {found.location}")
        published = publishing.publish(s3, environment, name, found, replace(hosting, image=chosen.uri))
        archive = published.spec.archive_uri
    artifact = served_artifact.of_model(s3, {"PrimaryContainer": {"ModelDataUrl": archive}})
    return published, artifact.signature if artifact else Signature()


def _default_name(environment: Environment, registered: str | None, uri: str) -> str:
    if not registered:
        raise InputError(f"{uri} has no registered name to name the job after. Add --name NAME.")
    return specification.default_name(environment, f"{registered}-batch", uri)


def _find(console: Console, environment: Environment, session: Session, uri: str) -> model.Model:
    if not model.is_tracked(uri):
        return model.find(uri, None)
    console.progress(f"finding {uri}")
    tracking_server.require_running(session.client("sagemaker"), environment.server)
    tracking.prepare(os.environ)
    client = tracking.connect(environment.server, session, model.needs(uri))
    return model.find(uri, client, environment.artifact_stores)


def _show(console: Console, session: Session, done: Job, joined: Joined, published: Published, output: Path) -> None:
    from mlflow_platform.batch import outputs

    failed = bool(joined.failures) or done.status != "Completed"
    console.result(
        {
            "model_uri": published.model.uri,
            "job": done.name,
            "status": done.status,
            "rows": len(joined.rows),
            "missing_predictions": joined.missing,
            "failures": len(joined.failures),
            "output": str(output),
            "outputs_in_s3": done.outputs,
        }
    )
    if not failed:
        return
    lines = [*joined.failures[:20]]
    if len(joined.failures) > len(lines):
        lines.append(f"… and {len(joined.failures) - len(lines)} more")
    log = outputs.reasons(session.client("logs"), done.name)
    reason = f": {done.reason.rstrip('.')}" if done.reason else ""
    raise PlatformError(
        f"the transform job {done.name} is {done.status}{reason}. Repeat the command for another attempt.",
        [*lines, *(["log of the job:", *log] if log else [])],
    )


if __name__ == "__main__":
    run(app)
