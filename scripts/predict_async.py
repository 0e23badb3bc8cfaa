"""Send a request to an asynchronous endpoint, and wait for the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError, PreconditionError
from mlflow_common.output_paths import check_output_file
from mlflow_common.waiting import SystemClock
from mlflow_platform.session import open_environment

app = make_app()

_TYPES = {".csv": "text/csv", ".json": "application/json"}

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The name of the endpoint.")]
Request = Annotated[Path, typer.Argument(metavar="FILE", help="The request's body, such as rows in JSON or CSV.")]
ContentType = Annotated[
    str | None, typer.Option(metavar="TYPE", help="The body's type. Default: that of the file's name, .json or .csv.")
]
Output = Annotated[Path, typer.Option(metavar="FILE", help="Where the answer is written.")]
Timeout = Annotated[float, typer.Option(min=1, metavar="SECONDS", help="How long to wait for the answer.")]


@app.command()
def predict_async(
    endpoint: Endpoint,
    request: Request,
    env: Env = "staging",
    local: Local = False,
    content_type: ContentType = None,
    output: Output = Path("answer.json"),
    timeout: Timeout = 3600,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Send a request to an asynchronous endpoint, wait for the answer, and write it to a file.

    The body goes to the artifact bucket, so it can have up to 1 GB.
    """
    kind = content_type or _TYPES.get(request.suffix)
    if kind is None:
        raise InputError(f"the type of {request} is not known by its name. Give --content-type.")
    check_output_file(output, source=request)
    try:
        body = request.read_bytes()
    except OSError as error:
        raise InputError(f"{request} cannot be read ({error.strerror}).") from None
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        from mlflow_platform.endpoints import async_requests
        from mlflow_platform.endpoints.state import find_own

        sagemaker, s3 = session.client("sagemaker"), session.client("s3")
        state, _ = find_own(sagemaker, environment, endpoint)
        if state is None:
            raise PreconditionError(f"there is no endpoint {endpoint}. Deploy a model to it with --async.")
        folder = async_requests.require_outputs(sagemaker, endpoint)
        runtime = session.client("sagemaker-runtime")
        submitted = async_requests.submit(s3, runtime, endpoint, folder, body, kind)
        console.progress(f"the answer will be at {submitted.output}")
        answer = async_requests.result(s3, submitted, progress=console.progress, clock=SystemClock(), timeout=timeout)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(answer)
        console.result(
            {
                "endpoint": endpoint,
                "inference_id": submitted.inference_id,
                "answer": str(output),
                "bytes": len(answer),
                "answer_in_s3": submitted.output,
            }
        )


if __name__ == "__main__":
    run(app)
