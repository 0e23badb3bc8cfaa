"""A job: its kind, its request, and what DescribeXJob returns about it."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from localaws.constraints import operation_model
from localaws.endpoints.records import refusal

IN_PROGRESS = ("InProgress", "Stopping")
# Members of the request that DescribeXJob does not return.
_UNDESCRIBED = ("Tags",)


class JobError(Exception):
    """A job failed. The message is the FailureReason, which has at most 1,024 characters."""


@dataclass(frozen=True)
class Kind:
    """A kind of job.

    Attributes:
        noun: the word in the API's names: `ProcessingJob` gives CreateProcessingJob, ProcessingJobName and so on.
        resource: the resource type in the ARN.
        group: the log group.
        start: the member for the time at which the job's instances started; empty if there is none.
        end: the member for the time of the end.
    """

    noun: str
    resource: str
    group: str
    start: str
    end: str


# Log groups: https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
PROCESSING = Kind(
    "ProcessingJob", "processing-job", "/aws/sagemaker/ProcessingJobs", "ProcessingStartTime", "ProcessingEndTime"
)
TRAINING = Kind("TrainingJob", "training-job", "/aws/sagemaker/TrainingJobs", "TrainingStartTime", "TrainingEndTime")
TRANSFORM = Kind(
    "TransformJob", "transform-job", "/aws/sagemaker/TransformJobs", "TransformStartTime", "TransformEndTime"
)
TUNING = Kind("HyperParameterTuningJob", "hyper-parameter-tuning-job", "", "", "HyperParameterTuningEndTime")
KINDS = {kind.noun: kind for kind in (PROCESSING, TRAINING, TRANSFORM, TUNING)}


@dataclass(eq=False)
class Job:
    """One job. Its thread changes it, under its lock.

    Attributes:
        given: the request.
        details: the members of DescribeXJob that are not in the request.
        stop_requested: set by StopXJob.
        done: set after the final status.
    """

    kind: Kind
    region: str
    account: str
    given: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)
    stop_requested: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    lock: Any = field(default_factory=threading.RLock)

    @classmethod
    def create(cls, kind: Kind, region: str, account: str, given: dict[str, Any]) -> Self:
        """A new job in progress."""
        job = cls(kind, region, account, given, tags=list(given.get("Tags") or []))
        now = datetime.now(UTC)
        job.details = {f"{kind.noun}Status": "InProgress", "CreationTime": now, "LastModifiedTime": now}
        if kind is TRAINING:
            job.secondary("Starting", "Starting the training job")
        return job

    @property
    def name(self) -> str:
        """The job's name."""
        name: str = self.given[f"{self.kind.noun}Name"]
        return name

    @property
    def arn(self) -> str:
        """The job's ARN."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{self.kind.resource}/{self.name}"

    @property
    def status(self) -> str:
        """InProgress, Stopping, Stopped, Failed or Completed."""
        status: str = self.details[f"{self.kind.noun}Status"]
        return status

    def set(self, **details: Any) -> None:
        """Change details; the last modification is now."""
        with self.lock:
            self.details |= {**details, "LastModifiedTime": datetime.now(UTC)}

    def begin(self) -> None:
        """The container starts."""
        if self.kind.start:
            self.set(**{self.kind.start: datetime.now(UTC)})

    def request_stop(self) -> None:
        """StopXJob.

        Raises:
            AwsError: ValidationException if the job has ended. Source of the message:
                https://github.com/aws/sagemaker-python-sdk/issues/1900
        """
        with self.lock:
            if self.status not in IN_PROGRESS:
                noun = {"HyperParameterTuningJob": "hyperparameter tuning"}.get(
                    self.kind.noun, self.kind.noun.removesuffix("Job").lower()
                )
                raise refusal(f"The request was rejected because the {noun} job is in status {self.status}.")
            self.set(**{f"{self.kind.noun}Status": "Stopping"})
            if self.kind is TRAINING:
                self.secondary("Stopping", "Stopping the training job")
        self.stop_requested.set()

    def end(self, status: str, reason: str = "", secondary: str = "") -> None:
        """The job ended with `status`; the first end counts."""
        with self.lock:
            if self.done.is_set():
                return
            now = datetime.now(UTC)
            self.set(**{f"{self.kind.noun}Status": status, self.kind.end: now})
            if reason:
                self.set(FailureReason=reason[:1024])
            if self.kind is TRAINING:
                self.secondary(secondary or status, reason or f"Training job {status.lower()}")
                self.details["SecondaryStatusTransitions"][-1]["EndTime"] = now
            self.done.set()

    def secondary(self, status: str, message: str) -> None:
        """Enter a secondary status, which only training jobs have."""
        now = datetime.now(UTC)
        with self.lock:
            transitions = self.details.setdefault("SecondaryStatusTransitions", [])
            if transitions:
                transitions[-1].setdefault("EndTime", now)
            transitions.append({"Status": status, "StartTime": now, "StatusMessage": message})
            self.set(SecondaryStatus=status)

    def describe(self) -> dict[str, Any]:
        """The response of DescribeXJob."""
        with self.lock:
            shown = {**self.given, **self.details, f"{self.kind.noun}Arn": self.arn}
        shape: Any = operation_model("sagemaker", f"Describe{self.kind.noun}").output_shape
        return {name: value for name, value in shown.items() if name in shape.members and name not in _UNDESCRIBED}
