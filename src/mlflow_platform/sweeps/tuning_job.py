"""A sweep as a SageMaker tuning job: its request, and following it to its end.

A tuning job's definition names no entry point, so the image must have SageMaker's training toolkit, which unpacks the
code and runs the program that the hyperparameters name.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterAlgorithmSpecification.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html,
https://github.com/aws/sagemaker-training-toolkit
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PlatformError, is_not_found
from mlflow_common.waiting import Clock, wait_for
from mlflow_platform.sweeps.space import Axis, Choices, size
from mlflow_platform.sweeps.strategy import StrategyName

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import DescribeHyperParameterTuningJobResponseTypeDef as Described

MOST_JOBS, MOST_VALUES, MOST_PARALLEL = 750, 30, 10
PREFIX = "sweep-"
# Seconds after which SageMaker stops a training job.
LONGEST_TRIAL = 3600
_STRATEGIES: Mapping[StrategyName, str] = {"grid": "Grid", "random": "Random", "bayesian": "Bayesian"}
_RUNNING = ("InProgress", "Stopping")
# A tuning job ends after 30 days at the latest.
_LONGEST = 30 * 24 * 3600.0


@dataclass(frozen=True)
class Plan:
    """What a tuning job searches. `trials` is None for a grid, which is tried as a whole."""

    axes: Sequence[Axis]
    strategy: StrategyName
    metric: str
    maximize: bool
    trials: int | None
    parallel: int
    seed: int


@dataclass(frozen=True)
class Setup:
    """What each training job runs. `values` are hyperparameters that do not change; `outputs` is a folder in S3.

    `data` is a folder in S3 that the jobs get as the channel `data`; without it they have no channel.
    """

    image: str
    role: str
    instance_type: str
    code: str
    outputs: str
    values: Mapping[str, str]
    environment: Mapping[str, str]
    seconds: int = LONGEST_TRIAL
    data: str | None = None


def check(plan: Plan) -> None:
    """Refuse a search that SageMaker refuses.

    Raises:
        InputError: too many values, training jobs or parallel jobs.
    """
    for axis in plan.axes:
        if isinstance(axis, Choices) and len(axis.values) > MOST_VALUES:
            raise InputError(
                f"--param: {axis.name} has {len(axis.values)} values, and SageMaker takes at most {MOST_VALUES}. Give "
                "fewer values, or a range with --strategy random or bayesian."
            )
    # A grid has lists only, so its size is known.
    count = plan.trials or size(plan.axes) or 0
    if count > MOST_JOBS:
        raise InputError(f"SageMaker runs at most {MOST_JOBS} training jobs in a tuning job, not {count}.")
    if plan.parallel > MOST_PARALLEL:
        raise InputError(f"SageMaker runs at most {MOST_PARALLEL} training jobs at a time: use a smaller --jobs.")


def name_of(parent: str) -> str:
    """The name of the tuning job of a sweep's run. SageMaker takes at most 32 characters, and never frees a name."""
    return PREFIX + parent[:16]


def archive(files: Mapping[str, bytes]) -> bytes:
    """Files as a tar.gz, which the same files give again."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            tar.addfile(entry, io.BytesIO(files[name]))
    return packed.getvalue()


def request(name: str, plan: Plan, setup: Setup, tags: Mapping[str, str]) -> dict[str, Any]:
    """The request of CreateHyperParameterTuningJob."""
    limits = {"MaxParallelTrainingJobs": plan.parallel}
    if plan.trials:
        limits["MaxNumberOfTrainingJobs"] = plan.trials
    kind = "Maximize" if plan.maximize else "Minimize"
    program = {"sagemaker_program": "job.py", "sagemaker_submit_directory": setup.code}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": _STRATEGIES[plan.strategy],
            "HyperParameterTuningJobObjective": {"Type": kind, "MetricName": plan.metric},
            "ResourceLimits": limits,
            "ParameterRanges": _ranges(plan.axes),
            "TrainingJobEarlyStoppingType": "Off",
            # SageMaker takes a signed number of 32 bits.
            "RandomSeed": plan.seed % 2**31,
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {**program, **setup.values},
            "AlgorithmSpecification": {
                "TrainingImage": setup.image,
                "TrainingInputMode": "File",
                # train.py prints each metric on a line of its own.
                "MetricDefinitions": [{"Name": plan.metric, "Regex": rf"\b{plan.metric}: (-?[0-9.]+)"}],
            },
            **({"InputDataConfig": [_channel("data", setup.data)]} if setup.data else {}),
            "RoleArn": setup.role,
            "OutputDataConfig": {"S3OutputPath": setup.outputs},
            "ResourceConfig": {"InstanceCount": 1, "InstanceType": setup.instance_type, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": setup.seconds},
            "Environment": {**setup.environment, "JOB_ENTRY_POINT": "train"},
        },
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
    }


def _channel(name: str, folder: str) -> dict[str, Any]:
    # The slash keeps out folders whose names begin with this one's: S3Prefix matches the start of keys.
    source = {"S3DataType": "S3Prefix", "S3Uri": f"{folder}/", "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def _ranges(axes: Sequence[Axis]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for axis in axes:
        if isinstance(axis, Choices):
            values = [str(value) for value in axis.values]
            found.setdefault("CategoricalParameterRanges", []).append({"Name": axis.name, "Values": values})
            continue
        kind = "IntegerParameterRanges" if axis.whole else "ContinuousParameterRanges"
        low, high = (str(value) for value in axis.extremes)
        scaling = "Logarithmic" if axis.log else "Linear"
        found.setdefault(kind, []).append(
            {"Name": axis.name, "MinValue": low, "MaxValue": high, "ScalingType": scaling}
        )
    return found


@dataclass(frozen=True)
class Best:
    """The best training job: its name, its parameters, and the metric."""

    job: str
    values: Mapping[str, str]
    value: float


class TuningJob:
    """A tuning job of an account."""

    def __init__(self, sagemaker: SageMakerClient, name: str, clock: Clock) -> None:
        self._sagemaker = sagemaker
        self.name = name
        self._clock = clock

    def exists(self) -> bool:
        """Whether it was started, by this command or an earlier one.

        Raises:
            PlatformError: it failed or was stopped, and SageMaker does not release the name.
        """
        try:
            found = self._described()
        except self._sagemaker.exceptions.ClientError as error:
            if not is_not_found(error):
                raise
            return False
        self._check(found)
        return True

    def start(self, given: Mapping[str, Any]) -> None:
        """Start it."""
        self._sagemaker.create_hyper_parameter_tuning_job(**given)

    def follow(self, progress: Callable[[str], None]) -> tuple[Best, Mapping[str, int]]:
        """Report its progress until it ends. Returns the best training job, and the number of jobs by status.

        Raises:
            PlatformError: it failed or was stopped, or no training job has the metric.
        """
        found = wait_for(
            self._described,
            settled=lambda one: one["HyperParameterTuningJobStatus"] not in _RUNNING,
            describe=_summary,
            progress=progress,
            clock=self._clock,
            timeout=_LONGEST,
        )
        self._check(found)
        best = found.get("BestTrainingJob")
        metric = (best or {}).get("FinalHyperParameterTuningJobObjectiveMetric")
        if not best or not metric:
            raise PlatformError(f"no training job of the tuning job {self.name} has the metric. {self._reason()}")
        counters = {key: int(str(value)) for key, value in found["TrainingJobStatusCounters"].items()}
        return Best(best["TrainingJobName"], best["TunedHyperParameters"], metric["Value"]), counters

    def _described(self) -> Described:
        return self._sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=self.name)

    def _check(self, found: Described) -> None:
        status = found["HyperParameterTuningJobStatus"]
        if status in (*_RUNNING, "Completed"):
            return
        reason = self._reason() or found.get("FailureReason", "")
        why = f": {reason.rstrip('.')}" if reason else ""
        raise PlatformError(f"the tuning job {self.name} ended as {status}{why}. Choose another --name to try again.")

    def _reason(self) -> str:
        """Why a training job failed."""
        listed = self._sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=self.name, StatusEquals="Failed", MaxResults=1
        )["TrainingJobSummaries"]
        return f"{listed[0]['TrainingJobName']}: {listed[0].get('FailureReason', '')}" if listed else ""


def _summary(found: Described) -> str:
    counters = found.get("TrainingJobStatusCounters") or {}
    failed, stopped = counters.get("NonRetryableError", 0), counters.get("Stopped", 0)
    text = f"{counters.get('Completed', 0)} trials finished, {counters.get('InProgress', 0)} running"
    return text + (f", {failed} failed" if failed else "") + (f", {stopped} stopped" if stopped else "")
