"""Training jobs: channels from S3, the container's `train`, the model's archive and the metrics.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
"""

import json
import re
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localaws import references
from localaws.algorithms import built_in
from localaws.endpoints.records import refusal
from localaws.endpoints.role import RoleClients
from localaws.jobs import mount, toolkit
from localaws.jobs.container import Containers, Outcome
from localaws.jobs.record import Job, JobError
from localaws.jobs.storage import Storage
from localaws.jobs.tools import one_instance

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html
DEFAULT_SECONDS = 86400
MOST_SECONDS = 28 * 86400
REASON = 1024


def check(given: dict[str, Any]) -> None:
    """Refuse what AWS refuses beyond the model's constraints, and what localaws cannot run.

    Raises:
        AwsError: ValidationException.
    """
    if given.get("ServerlessJobConfig"):
        raise refusal("localaws does not run serverless training jobs. Use AlgorithmSpecification and ResourceConfig.")
    missing = [name for name in ("AlgorithmSpecification", "ResourceConfig") if not given.get(name)]
    if missing:
        raise refusal(f"{' and '.join(missing)} must be specified for a training job that is not serverless.")
    one_instance(given["ResourceConfig"])
    references.check_volume_key(given["ResourceConfig"].get("InstanceType"), given["ResourceConfig"])
    _check_times(given)
    algorithm = given["AlgorithmSpecification"]
    if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        raise refusal("You must specify either TrainingImage or AlgorithmName in AlgorithmSpecification.")
    channels = [one["ChannelName"] for one in given.get("InputDataConfig") or []]
    if len(channels) != len(set(channels)):
        raise refusal("Channel names must be unique within a training job.")
    for one in given.get("InputDataConfig") or []:
        if one["ChannelName"] in {".", ".."}:
            raise refusal(f"The channel name {one['ChannelName']} is not a name of a folder.")
        if "S3DataSource" not in one["DataSource"]:
            raise refusal(f"localaws reads channels from S3 only (channel {one['ChannelName']}).")
        if "Pipe" in (one.get("InputMode"), algorithm.get("TrainingInputMode")):
            raise refusal(f"localaws does not run the input mode Pipe (channel {one['ChannelName']}). Use File.")
    for one in algorithm.get("MetricDefinitions") or []:
        pattern(one["Regex"])


def _check_times(given: dict[str, Any]) -> None:
    """Refuse the times of a StoppingCondition.

    "The maximum value is 28 days", and MaxWaitTimeInSeconds "must be equal to or greater than MaxRuntimeInSeconds":
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html. The messages:
    https://github.com/Kenza-AI/sagify/issues/111
    """
    limits = given.get("StoppingCondition") or {}
    longest, wait = limits.get("MaxRuntimeInSeconds", DEFAULT_SECONDS), limits.get("MaxWaitTimeInSeconds")
    if longest > MOST_SECONDS:
        raise refusal(f"Invalid MaxRuntimeInSeconds. It must be at most {MOST_SECONDS} (28 days).")
    if given.get("EnableManagedSpotTraining"):
        if wait is None or wait < longest:
            raise refusal(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
            )
    elif wait is not None:
        raise refusal(
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
        )


def pattern(text: str) -> re.Pattern[str]:
    """The compiled expression of a metric.

    Raises:
        AwsError: ValidationException.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise refusal(f"Invalid metric definition regex {text}: {error}") from None


def run(job: Job, folder: Path, clients: RoleClients, containers: Containers) -> None:
    """Run a job to its end.

    Raises:
        JobError: it failed.
    """
    given = job.given
    ml = folder / "ml"
    storage = Storage(clients.s3, given["RoleArn"], job.region)
    _prepare(job, ml, storage, mount.base(folder))
    algorithm = given["AlgorithmSpecification"]
    env = {"TRAINING_JOB_NAME": job.name, "TRAINING_JOB_ARN": job.arn, **(given.get("Environment") or {})}
    command = [*(algorithm.get("ContainerEntrypoint") or []), *(algorithm.get("ContainerArguments") or [])]
    if not algorithm.get("ContainerEntrypoint"):
        image, parameters = algorithm.get("TrainingImage", ""), given.get("HyperParameters") or {}
        if built_in.is_xgboost(image, job.account) and "sagemaker_program" not in parameters:
            command, more = built_in.training(image, ml / "code", f"{mount.ML}/code")
        else:
            command, more = toolkit.command(given, storage, folder)
        env |= more
    seconds = (given.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds", DEFAULT_SECONDS)
    job.secondary("Training", "Training image download completed. Training in progress.")
    job.begin()
    outcome = containers.run(job, folder, command, env, clients, seconds)
    _upload(job, ml, storage)
    job.set(FinalMetricDataList=_metrics(built_in.metrics(algorithm, job.account), outcome))
    _finish(job, outcome, ml, seconds)


def _prepare(job: Job, ml: Path, storage: Storage, base: str) -> None:
    given = job.given
    for name in ("input/config", "input/data", "model", "output/data", "code", "checkpoints"):
        (ml / name).mkdir(parents=True, exist_ok=True)
    job.secondary("Downloading", "Downloading input data")
    channels = {}
    for one in given.get("InputDataConfig") or []:
        source = one["DataSource"]["S3DataSource"]
        target = ml / "input" / "data" / one["ChannelName"]
        storage.download(source["S3Uri"], target, source["S3DataType"])
        channels[one["ChannelName"]] = {
            "TrainingInputMode": "File",
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": one.get("RecordWrapperType", "None"),
            **({"ContentType": one["ContentType"]} if one.get("ContentType") else {}),
        }
    instance = given["ResourceConfig"].get("InstanceType", "")
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": ["algo-1"]}
    resources = {
        "current_host": "algo-1",
        "current_instance_type": instance,
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1"],
        "instance_groups": [group],
        "network_interface_name": "lo",
    }
    parameters = given.get("HyperParameters") or {}
    for name, content in (
        ("hyperparameters", parameters),
        ("inputdataconfig", channels),
        ("resourceconfig", resources),
    ):
        (ml / "input" / "config" / f"{name}.json").write_text(json.dumps(content).replace(mount.ML, base))


def _upload(job: Job, ml: Path, storage: Storage) -> None:
    """Upload /opt/ml/model and /opt/ml/output/data, even after a stop or a failure."""
    prefix = f"{job.given['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job.name}/output"
    for folder, name in ((ml / "model", "model"), (ml / "output" / "data", "output")):
        if any(folder.iterdir()):
            archive = ml.parent / f"{name}.tar.gz"
            with tarfile.open(archive, "w:gz", compresslevel=6) as tar:
                for entry in sorted(folder.iterdir()):
                    tar.add(entry, entry.name)
            storage.upload_file(archive, f"{prefix}/{archive.name}")
    # DescribeTrainingJob names the archive even if the job wrote no model.
    job.set(ModelArtifacts={"S3ModelArtifacts": f"{prefix}/model.tar.gz"})
    checkpoints = job.given.get("CheckpointConfig")
    if checkpoints:
        storage.upload(ml / "checkpoints", checkpoints["S3Uri"])


def _metrics(definitions: list[dict[str, str]], outcome: Outcome) -> list[dict[str, Any]]:
    """The last value of each metric in the log: the first group of its expression."""
    text = outcome.output.read_text(errors="replace")
    found: list[dict[str, Any]] = []
    for one in definitions:
        for match in pattern(one["Regex"]).finditer(text):
            try:
                value = float(match[1])
            except (ValueError, IndexError):
                continue
            found = [other for other in found if other["MetricName"] != one["Name"]]
            found.append({"MetricName": one["Name"], "Value": value, "Timestamp": datetime.now(UTC)})
    return found


def _finish(job: Job, outcome: Outcome, ml: Path, seconds: float) -> None:
    start = job.details[job.kind.start]
    spent = max(1, round((datetime.now(UTC) - start).total_seconds()))
    job.set(TrainingTimeInSeconds=spent, BillableTimeInSeconds=spent)
    if outcome.cause == "timed out":
        job.end("Stopped", secondary="MaxRuntimeExceeded", reason=f"Training job exceeded its {seconds} seconds.")
    elif outcome.cause:
        job.end("Stopped", secondary="Stopped")
    elif outcome.exit_code:
        failure = ml / "output" / "failure"
        text = failure.read_text(errors="replace")[: REASON - 50] if failure.is_file() else ""
        # The form of https://github.com/aws/sagemaker-python-sdk/issues/2294
        raise JobError(f"AlgorithmError: {text}, exit code: {outcome.exit_code}")
    else:
        job.secondary("Uploading", "Uploading generated training model")
        job.end("Completed", secondary="Completed")
