"""Tuning jobs: run training jobs with hyperparameters of a search, and find the best.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning.html
"""

import secrets
import time
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from localaws.algorithms import built_in
from localaws.endpoints.records import refusal
from localaws.endpoints.role import RoleClients
from localaws.jobs import search, training, warm_start
from localaws.jobs.jobs import Jobs
from localaws.jobs.record import TRAINING, Job, JobError
from localaws.jobs.search import Search

_POLL_SECONDS = 0.05
# A tuning job gives up after five failures without a success.
_MOST_FAILURES = 5
_FAILED = "No training job succeeded after 5 attempts. For more details, take a look at the training job failures."
# The member of a training job's summary with its objective.
OBJECTIVE = "FinalHyperParameterTuningJobObjectiveMetric"
_PASSED = (
    "AlgorithmSpecification",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "RoleArn",
    "Environment",
    "CheckpointConfig",
    "VpcConfig",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "RetryStrategy",
)


def check(given: dict[str, Any], account: str, parents: list[Job]) -> None:
    """Refuse what AWS refuses beyond the model's constraints, and what localaws cannot run.

    Args:
        parents: the jobs from whose results it starts.

    Raises:
        AwsError: ValidationException.
        NotImplementedError: the job is to choose its own ranges.
    """
    if given.get("Autotune"):
        raise NotImplementedError("tuning jobs with Autotune")
    search.check(given["HyperParameterTuningJobConfig"])
    definition = given.get("TrainingJobDefinition")
    if not definition or given.get("TrainingJobDefinitions"):
        raise refusal("localaws runs tuning jobs with one TrainingJobDefinition.")
    if ("ResourceConfig" in definition) == ("HyperParameterTuningResourceConfig" in definition):
        raise refusal("TrainingJobDefinition must have either ResourceConfig or HyperParameterTuningResourceConfig.")
    training.check(_training(given, "check", {}))
    names = [one["Name"] for one in built_in.metrics(definition["AlgorithmSpecification"], account)]
    metric = given["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["MetricName"]
    if metric not in names:
        raise refusal(
            f"The objective metric {metric} is not among the MetricDefinitions: {', '.join(names) or 'none'}."
        )
    warm_start.check(given, parents)


def run(job: Job, _folder: Path, _clients: RoleClients, jobs: Jobs) -> None:
    """Run a tuning job to its end.

    Raises:
        JobError: no training job succeeded.
    """
    config = job.given["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    searching = Search(config)
    for child in warm_start.trained(warm_start.parents(job.given, job.region, jobs), jobs):
        value = _objective(child, config)
        if value is not None and isfinite(value):
            searching.learn(child.given["HyperParameters"], value)
    most = searching.size(limits.get("MaxNumberOfTrainingJobs"))
    deadline = time.monotonic() + (limits.get("MaxRuntimeInSeconds") or float("inf"))
    running: list[tuple[Job, Any]] = []
    started = 0
    while not job.done.is_set():
        ending = job.stop_requested.is_set() or time.monotonic() > deadline or _hopeless(job, jobs)
        ending = ending or _reached(job, jobs)
        while not ending and started < most and len(running) < limits["MaxParallelTrainingJobs"]:
            trial, values = searching.ask()
            started += 1
            running.append((_start(job, jobs, started, values), trial))
        for one in list(running):
            child, trial = one
            if child.done.is_set():
                searching.tell(trial, _objective(child, config))
                running.remove(one)
            elif ending and child.status == "InProgress":
                child.request_stop()
        if not running and (ending or started >= most):
            break
        job.stop_requested.wait(_POLL_SECONDS)
        time.sleep(_POLL_SECONDS)
    _finish(job, jobs)


def describe(job: Job, jobs: Jobs) -> dict[str, Any]:
    """DescribeHyperParameterTuningJob: with counters and the best training job."""
    found = children(job, jobs)
    statuses = [one["TrainingJobStatus"] for one in found]
    objectives = [one["ObjectiveStatus"] for one in found]
    shown = {
        **job.describe(),
        "TrainingJobStatusCounters": {
            "Completed": statuses.count("Completed"),
            "InProgress": statuses.count("InProgress") + statuses.count("Stopping"),
            "RetryableError": 0,
            "NonRetryableError": statuses.count("Failed"),
            "Stopped": statuses.count("Stopped"),
        },
        "ObjectiveStatusCounters": {name: objectives.count(name) for name in ("Succeeded", "Pending", "Failed")},
    }
    config = job.given["HyperParameterTuningJobConfig"]
    ranked = best_first(found, config)
    if ranked:
        shown["BestTrainingJob"] = ranked[0]
    if (job.given.get("WarmStartConfig") or {}).get("WarmStartType") == "IdenticalDataAndAlgorithm":
        # "the training job with the best objective metric value of all training jobs launched by this tuning job and
        # all parent jobs": API_DescribeHyperParameterTuningJob
        family = [job, *warm_start.parents(job.given, job.region, jobs)]
        of_all = [{**one, "TuningJobName": each.name} for each in family for one in children(each, jobs)]
        if best := best_first(of_all, config):
            shown["OverallBestTrainingJob"] = best[0]
    return shown


def children(job: Job, jobs: Jobs) -> list[dict[str, Any]]:
    """The summaries of a tuning job's training jobs, oldest first."""
    config = job.given["HyperParameterTuningJobConfig"]
    metric = config["HyperParameterTuningJobObjective"]
    names = {one["Name"] for ranges in config["ParameterRanges"].values() for one in ranges}
    found = []
    for child in jobs.all(TRAINING, job.region):
        if child.details.get("TuningJobArn") != job.arn:
            continue
        described = child.describe()
        value = _objective(child, config)
        status = ("Succeeded" if value is not None else "Failed") if child.done.is_set() else "Pending"
        shown: dict[str, Any] = {
            name: described[name]
            for name in ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingStartTime", "TrainingEndTime")
            if name in described
        }
        tuned = {name: text for name, text in child.given["HyperParameters"].items() if name in names}
        shown |= {"TrainingJobStatus": child.status, "TunedHyperParameters": tuned, "ObjectiveStatus": status}
        if described.get("FailureReason"):
            shown["FailureReason"] = described["FailureReason"]
        if value is not None:
            shown[OBJECTIVE] = {**metric, "Value": value}
        found.append(shown)
    return found


def best_first(found: list[dict[str, Any]], config: dict[str, Any]) -> list[dict[str, Any]]:
    """The completed training jobs that have an objective, best first."""
    ranked = [one for one in found if one["ObjectiveStatus"] == "Succeeded" and one["TrainingJobStatus"] == "Completed"]
    down = config["HyperParameterTuningJobObjective"]["Type"] == "Maximize"
    ranked.sort(key=lambda one: one[OBJECTIVE]["Value"], reverse=down)
    return ranked


def _start(job: Job, jobs: Jobs, number: int, values: dict[str, str]) -> Job:
    given = _training(job.given, f"{job.name}-{number:03d}-{secrets.token_hex(4)}", values)
    runner = partial(training.run, containers=jobs.containers)
    return jobs.start(TRAINING, job.region, given, given["RoleArn"], runner, TuningJobArn=job.arn)


def _training(given: dict[str, Any], name: str, values: dict[str, str]) -> dict[str, Any]:
    definition = given["TrainingJobDefinition"]
    objective = given["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["MetricName"]
    static = definition.get("StaticHyperParameters") or {}
    if "HyperParameterTuningResourceConfig" in definition:
        definition = {**definition, "ResourceConfig": _resources(definition["HyperParameterTuningResourceConfig"])}
    return {
        "TrainingJobName": name,
        "HyperParameters": {**static, **values, "_tuning_objective_metric": objective},
        **{member: definition[member] for member in _PASSED if member in definition},
    }


def _resources(given: dict[str, Any]) -> dict[str, Any]:
    """The ResourceConfig of a training job: of several instance types the first, which AWS prefers.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterTuningResourceConfig.html
    """
    first = (given.get("InstanceConfigs") or [given])[0]
    size = {**given, **first}
    names = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")
    return {name: size[name] for name in names if name in size}


def _objective(child: Job, config: dict[str, Any]) -> float | None:
    wanted = config["HyperParameterTuningJobObjective"]["MetricName"]
    metrics = child.details.get("FinalMetricDataList") or []
    return next((float(one["Value"]) for one in metrics if one["MetricName"] == wanted), None)


def _hopeless(job: Job, jobs: Jobs) -> bool:
    found = [one["TrainingJobStatus"] for one in children(job, jobs)]
    return found.count("Failed") >= _MOST_FAILURES and "Completed" not in found


def _reached(job: Job, jobs: Jobs) -> bool:
    """Whether a training job has the TargetObjectiveMetricValue of the completion criteria.

    https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-progress.html
    """
    config = job.given["HyperParameterTuningJobConfig"]
    target = (config.get("TuningJobCompletionCriteria") or {}).get("TargetObjectiveMetricValue")
    if target is None:
        return False
    best = [one[OBJECTIVE]["Value"] for one in best_first(children(job, jobs), config)[:1]]
    larger = config["HyperParameterTuningJobObjective"]["Type"] == "Maximize"
    return any(value >= target if larger else value <= target for value in best)


def _finish(job: Job, jobs: Jobs) -> None:
    if job.stop_requested.is_set():
        job.end("Stopped")
    elif not best_first(children(job, jobs), job.given["HyperParameterTuningJobConfig"]):
        raise JobError(_FAILED)
    else:
        job.end("Completed")
