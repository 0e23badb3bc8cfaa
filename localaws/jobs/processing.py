"""Processing jobs: inputs from S3, the container's entry point, outputs to S3.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

import json
from pathlib import Path
from typing import Any

from localaws import references
from localaws.endpoints.records import refusal
from localaws.endpoints.role import RoleClients
from localaws.jobs import mount
from localaws.jobs.container import Containers
from localaws.jobs.record import Job, JobError
from localaws.jobs.storage import Storage
from localaws.jobs.tools import inside, one_instance

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingStoppingCondition.html
DEFAULT_SECONDS = 86400
EXIT_MESSAGE = 1024


def check(given: dict[str, Any]) -> None:
    """Refuse what AWS refuses beyond the model's constraints, and what localaws cannot run.

    Raises:
        AwsError: ValidationException.
    """
    cluster = given["ProcessingResources"]["ClusterConfig"]
    one_instance(cluster)
    references.check_volume_key(cluster["InstanceType"], cluster)
    names = [one["InputName"] for one in given.get("ProcessingInputs") or []]
    names += [one["OutputName"] for one in (given.get("ProcessingOutputConfig") or {}).get("Outputs") or []]
    if len(names) != len(set(names)):
        raise refusal("Input and output names must be unique within a processing job.")
    for one in given.get("ProcessingInputs") or []:
        if ("S3Input" in one) == ("DatasetDefinition" in one):
            raise refusal(f"Input {one['InputName']} must have either S3Input or DatasetDefinition.")
        if "DatasetDefinition" in one:
            raise refusal(f"localaws does not run DatasetDefinition (input {one['InputName']}). Use S3Input.")
        if one["S3Input"].get("S3InputMode") == "Pipe":
            raise refusal(f"localaws does not run the input mode Pipe (input {one['InputName']}). Use File.")
        _check_input(one)
    for one in (given.get("ProcessingOutputConfig") or {}).get("Outputs") or []:
        if "S3Output" not in one:
            raise refusal(f"localaws writes outputs to S3 only (output {one['OutputName']}). Use S3Output.")
        if not one["S3Output"].get("LocalPath"):
            raise refusal(f"Output {one['OutputName']} must have a LocalPath.")


def _check_input(given: dict[str, Any]) -> None:
    """Refuse an S3Input: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html."""
    name, source = given["InputName"], given["S3Input"]
    path = source.get("LocalPath")
    # "LocalPath [...] must begin with /opt/ml/processing/. LocalPath is a required parameter when AppManaged is False".
    if not path and not given.get("AppManaged"):
        raise refusal(f"Input {name} must have a LocalPath.")
    if path and not path.startswith(f"{mount.ML}/processing/"):
        raise refusal(f"LocalPath {path} of input {name} must begin with {mount.ML}/processing/.")
    # "Gzip can only be used when Pipe mode is specified as the S3InputMode."
    if source.get("S3CompressionType") == "Gzip":
        raise refusal(f"S3CompressionType Gzip of input {name} requires the input mode Pipe.")


def run(job: Job, folder: Path, clients: RoleClients, containers: Containers) -> None:
    """Run a job to its end.

    Raises:
        JobError: it failed.
    """
    given = job.given
    failure = references.pull_failure(job.account, job.region, given["AppSpecification"]["ImageUri"])
    if failure:
        raise JobError(failure)
    ml = folder / "ml"
    storage = Storage(clients.s3, given["RoleArn"], job.region)
    outputs = (given.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    _prepare(job, ml, storage, outputs, mount.base(folder))
    specification = given["AppSpecification"]
    command = [*(specification.get("ContainerEntrypoint") or []), *(specification.get("ContainerArguments") or [])]
    if not specification.get("ContainerEntrypoint"):
        raise JobError(
            "ClientError: localaws does not run the entry point of an image. "
            "Set AppSpecification.ContainerEntrypoint, such as python3 and the script's path."
        )
    seconds = (given.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds", DEFAULT_SECONDS)
    job.begin()
    outcome = containers.run(job, folder, command, given.get("Environment") or {}, clients, seconds)
    message = ml / "output" / "message"
    if message.is_file():
        job.set(ExitMessage=message.read_bytes()[:EXIT_MESSAGE].decode(errors="replace"))
    finished = not outcome.cause and outcome.exit_code == 0
    for output in outputs:
        continuous = output["S3Output"].get("S3UploadMode") == "Continuous"
        if not output.get("AppManaged") and (finished or continuous):
            target = output["S3Output"]
            storage.upload(inside(ml, target["LocalPath"]), target["S3Uri"])
    if outcome.cause == "timed out":
        job.end("Stopped", f"Processing job exceeded its maximum runtime of {seconds} seconds.")
    elif outcome.cause:
        job.end("Stopped")
    elif outcome.exit_code:
        raise JobError(f"AlgorithmError: See job logs for more information, exit code: {outcome.exit_code}")
    else:
        job.end("Completed")


def _prepare(job: Job, ml: Path, storage: Storage, outputs: list[dict[str, Any]], base: str) -> None:
    for name in ("config", "output", "processing"):
        (ml / name).mkdir(parents=True, exist_ok=True)
    described = {"ProcessingJobArn": job.arn, **{name: value for name, value in job.given.items() if name != "Tags"}}
    resources = {"current_host": "algo-1", "hosts": ["algo-1"]}
    for name, content in (("processingjobconfig", described), ("resourceconfig", resources)):
        (ml / "config" / f"{name}.json").write_text(json.dumps(content).replace(mount.ML, base))
    for output in outputs:
        inside(ml, output["S3Output"]["LocalPath"]).mkdir(parents=True, exist_ok=True)
    for one in job.given.get("ProcessingInputs") or []:
        source = one["S3Input"]
        if not one.get("AppManaged"):
            target = inside(ml, source["LocalPath"])
            storage.download(source["S3Uri"], target, source.get("S3DataType", "S3Prefix"))
