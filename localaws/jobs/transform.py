"""Transform jobs: send a model's container each object below a prefix, and write the responses to S3.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
"""

import http.client
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localaws import references
from localaws.algorithms import built_in
from localaws.endpoints import image
from localaws.endpoints.container import TOKEN_HEADER, Container
from localaws.endpoints.deployment import STARTUP_SECONDS
from localaws.endpoints.environment import interpreter
from localaws.endpoints.logs import ContainerLog
from localaws.endpoints.model_source import ModelSource, resolved
from localaws.endpoints.program import Program
from localaws.endpoints.reasons import DeploymentError
from localaws.endpoints.records import refusal
from localaws.endpoints.role import RoleClients
from localaws.errors import AwsError
from localaws.jobs import batches
from localaws.jobs.batches import MEGABYTE
from localaws.jobs.container import Containers
from localaws.jobs.record import Job, JobError
from localaws.jobs.storage import Storage
from localaws.jobs.tools import one_instance
from localaws.venvs import BuildError

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
DEFAULT_PAYLOAD_MB = 6
MOST_PAYLOAD_MB = 100
# The default of InvocationsTimeoutInSeconds:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelClientConfig.html
DEFAULT_TIMEOUT = 600
# AWS gives this reason for failed objects and for a container that does not start; the log has the details.
SEE_LOGS = "ClientError: See job logs for more information"


def check(given: dict[str, Any]) -> None:
    """Refuse what AWS refuses beyond the model's constraints, and what localaws cannot run.

    Raises:
        AwsError: ValidationException.
    """
    one_instance(given["TransformResources"])
    references.check_volume_key(given["TransformResources"].get("InstanceType"), given["TransformResources"])
    parallel, payload = given.get("MaxConcurrentTransforms", 1), given.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB)
    if payload > MOST_PAYLOAD_MB:
        raise refusal(f"MaxPayloadInMB must not exceed {MOST_PAYLOAD_MB}.")
    if parallel * payload > MOST_PAYLOAD_MB:
        raise refusal(f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {MOST_PAYLOAD_MB} MB.")
    source = given["TransformInput"]
    if source.get("SplitType", "None") not in ("None", "Line"):
        raise refusal(f"localaws does not run SplitType {source['SplitType']}. Use None or Line.")
    if source.get("CompressionType", "None") != "None":
        raise refusal("localaws does not run compressed inputs. Set CompressionType to None.")
    if given.get("DataProcessing"):
        raise refusal("localaws does not run DataProcessing. Filter columns in the model or after the job.")
    if given.get("DataCaptureConfig"):
        raise refusal("localaws does not run DataCaptureConfig. Read the inputs and outputs of the job.")
    if given.get("BatchStrategy") == "SingleRecord" and source.get("SplitType", "None") == "None":
        raise refusal("BatchStrategy SingleRecord requires SplitType Line, RecordIO or TFRecord.")


def check_model(container: dict[str, Any]) -> None:
    """Refuse a model that a transform job cannot use.

    "Currently you cannot use ModelDataSource in conjunction with SageMaker batch transform":
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html

    Raises:
        AwsError: ValidationException.
    """
    if container.get("ModelDataSource"):
        raise refusal("A transform job cannot use a model with ModelDataSource. Use ModelDataUrl.")


def run(job: Job, folder: Path, clients: RoleClients, containers: Containers, model: Any) -> None:
    """Run a job to its end.

    Args:
        model: moto's record of the job's model.

    Raises:
        JobError: it failed.
    """
    given = job.given
    storage = Storage(clients.s3, model.execution_role_arn, job.region)
    source = given["TransformInput"]["DataSource"]["S3DataSource"]
    objects = storage.keys(source["S3Uri"], source["S3DataType"])
    instance = f"i-{secrets.token_hex(8)}"
    stream = f"{job.name}/{instance}"
    file = containers.processes.log(f"{job.kind.resource}-{job.name}")
    output = ContainerLog(clients.logs, job.kind.group, stream, file)
    # Failed objects have a stream of their own.
    data_log = ContainerLog(clients.logs, job.kind.group, f"{stream}/data-log", file)
    container = _start(job, folder, clients, containers, model, output)
    try:
        if not container.wait(STARTUP_SECONDS):
            raise JobError(SEE_LOGS)
        job.begin()
        failed = 0
        with ThreadPoolExecutor(given.get("MaxConcurrentTransforms", 1) or 1) as pool:
            for problem in pool.map(lambda one: _transform(job, container, storage, one), objects):
                if problem:
                    failed += 1
                    data_log.write([problem])
    finally:
        container.stop()
    if job.stop_requested.is_set():
        job.end("Stopped")
    elif failed:
        raise JobError(SEE_LOGS)
    else:
        job.end("Completed")


def _start(
    job: Job, folder: Path, clients: RoleClients, containers: Containers, model: Any, output: ContainerLog
) -> Container:
    named = {"PrimaryContainer": model.primary_container, "Containers": model.containers}
    name = f"{job.kind.resource}-{job.name}"
    own = folder / "container"
    try:
        given = resolved(job.account, job.region, named)
        image.pull(given["Image"], job.account, clients, job.given["ModelName"])
        ModelSource.of(given).fetch(clients.s3, own / "model")
        program = built_in.serving(given["Image"], job.account, given.get("Environment") or {}, own)
        program = program or Program.of_python(interpreter(own / "model", containers.venvs), own)
    except AwsError as error:  # The model package is no longer approved.
        raise JobError(f"ClientError: {error.message}") from None
    except DeploymentError as error:
        raise JobError(f"ClientError: {error}") from None
    except BuildError as error:
        output.write(["The model's environment cannot be built:", *str(error).splitlines()])
        raise JobError(SEE_LOGS) from None
    env = {
        **containers.environment,
        **clients.credentials.env(),
        **(given.get("Environment") or {}),
        **(job.given.get("Environment") or {}),
        "SAGEMAKER_BATCH": "true",
    }
    container = Container(name, program, own, env, containers.processes, output)
    container.start()
    return container


def _transform(job: Job, container: Container, storage: Storage, one: tuple[str, str, str]) -> str:
    """Transform one object. Returns why it failed, or ""."""
    if job.stop_requested.is_set():
        return ""
    bucket, key, relative = one
    given = job.given
    settings = given["TransformInput"]
    try:
        content = storage.read(bucket, key)
        payload = given.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB) * MEGABYTE
        strategy = given.get("BatchStrategy", "MultiRecord")
        bodies = list(batches.requests(content, settings.get("SplitType", "None"), strategy, payload))
        responses = [_invoke(job, container, body) for body in bodies]
        target = given["TransformOutput"]
        joined = batches.assemble(responses, target.get("AssembleWith", "None"))
        storage.write(f"{target['S3OutputPath'].rstrip('/')}/{relative}.out", joined)
    except (JobError, ClientError, BotoCoreError, OSError, http.client.HTTPException) as error:
        return f"{bucket}/{key}: {error}"
    return ""


def _invoke(job: Job, container: Container, body: bytes) -> bytes:
    """Send one request; retry as ModelClientConfig says.

    Raises:
        JobError: the container refused it.
    """
    config = job.given.get("ModelClientConfig") or {}
    headers = {TOKEN_HEADER: container.token}
    kind, accept = job.given["TransformInput"].get("ContentType"), job.given["TransformOutput"].get("Accept")
    headers |= {"Content-Type": kind} if kind else {}
    headers |= {"Accept": accept} if accept else {}
    timeout = config.get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT)
    for left in reversed(range(1 + config.get("InvocationsMaxRetries", 0))):
        connection = http.client.HTTPConnection("127.0.0.1", container.port, timeout=timeout)
        try:
            connection.request("POST", "/invocations", body, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            if not left:
                raise
            continue
        finally:
            connection.close()
        if response.status < 400:
            return content
        if not left or response.status < 500:
            break
    text = content.decode(errors="replace")[:500]
    raise JobError(f"Bad HTTP status received from algorithm: {response.status}: {text}")
