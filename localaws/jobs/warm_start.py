"""Warm start: a tuning job that begins with the results of earlier ones.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterTuningJobWarmStartConfig.html
"""

from typing import Any

from localaws.endpoints.records import refusal
from localaws.jobs.jobs import Jobs
from localaws.jobs.record import TRAINING, TUNING, Job

# "A previously completed or stopped hyperparameter tuning job": API_ParentHyperParameterTuningJob
_ENDED = ("Completed", "Stopped")


def parents(given: dict[str, Any], region: str, jobs: Jobs) -> list[Job]:
    """The tuning jobs that a request starts from.

    Raises:
        AwsError: ResourceNotFound.
    """
    config = given.get("WarmStartConfig") or {}
    named = config.get("ParentHyperParameterTuningJobs") or []
    return [jobs.find(TUNING, region, one["HyperParameterTuningJobName"]) for one in named]


def check(given: dict[str, Any], found: list[Job]) -> None:
    """Refuse parents that AWS refuses.

    Raises:
        AwsError: ValidationException.
    """
    for parent in found:
        if parent.status not in _ENDED:
            raise refusal(f"The parent tuning job {parent.name} is in status {parent.status}. It must have ended.")
        if _objective(parent.given) != _objective(given):
            # "The objective metric for the new tuning job must be the same as for all parent jobs."
            raise refusal(f"The parent tuning job {parent.name} has another objective metric.")
        if _count(parent.given) != _count(given):
            # "the total number of static plus tunable hyperparameters must remain the same as it is in all parent jobs"
            raise refusal(
                f"The parent tuning job {parent.name} has {_count(parent.given)} static and tunable hyperparameters, "
                f"and the new one {_count(given)}. The number must be the same."
            )


def trained(found: list[Job], jobs: Jobs) -> list[Job]:
    """The training jobs of the parents that have completed."""
    arns = {parent.arn for parent in found}
    return [
        child
        for region in {parent.region for parent in found}
        for child in jobs.all(TRAINING, region)
        if child.details.get("TuningJobArn") in arns and child.status == "Completed"
    ]


def _objective(given: dict[str, Any]) -> Any:
    return given["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]


def _count(given: dict[str, Any]) -> int:
    ranges = given["HyperParameterTuningJobConfig"].get("ParameterRanges") or {}
    static = given["TrainingJobDefinition"].get("StaticHyperParameters") or {}
    return len({*static, *(one["Name"] for kind in ranges.values() for one in kind)})
