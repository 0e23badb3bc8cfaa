"""Creates or updates a SageMaker pipeline, starts an execution, and follows its steps to the end."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PlatformError, PreconditionError, error_code, is_not_found
from mlflow_common.waiting import Clock

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sagemaker import SageMakerClient

Report = Callable[[str], None]

_POLL_SECONDS = 2.0
_LINES = 20
_RUNNING = ("Executing", "Stopping")
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePipeline.html
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}")
# A step's metadata names its job; the log groups are those of the jobs.
# https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
_GROUPS = {"ProcessingJob": "/aws/sagemaker/ProcessingJobs", "TrainingJob": "/aws/sagemaker/TrainingJobs"}


@dataclass(frozen=True)
class Step:
    """A step of an execution that has started, as SageMaker describes it."""

    name: str
    status: str
    reason: str
    is_cached: bool
    is_fail: bool
    job: tuple[str, str] | None
    seconds: float | None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Step:
        """Read an item of ListPipelineExecutionSteps."""
        metadata = given.get("Metadata") or {}
        kind = next((kind for kind in _GROUPS if kind in metadata), None)
        job = (kind, str(metadata[kind]["Arn"]).rsplit("/", 1)[-1]) if kind else None
        start, end = given.get("StartTime"), given.get("EndTime")
        seconds = (end - start).total_seconds() if start and end else None
        reason = str(given.get("FailureReason", ""))
        is_cached, is_fail = "CacheHitResult" in given, "Fail" in metadata
        return cls(given["StepName"], given["StepStatus"], reason, is_cached, is_fail, job, seconds)

    @property
    def line(self) -> str:
        """The step's state on one line."""
        text = f"{self.name}: {self.status}"
        if self.is_cached:
            return f"{text} (from the cache)"
        return f"{text} after {self.seconds:.0f} s" if self.seconds is not None else text


def check_name(name: str) -> None:
    """Check the name of a pipeline.

    Raises:
        InputError: SageMaker does not accept it.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is not a valid name of a pipeline. Use at most 256 letters, digits and hyphens, and a letter or "
            "digit at both ends."
        )


class Pipeline:
    """A pipeline of an account."""

    def __init__(self, sagemaker: SageMakerClient, logs: CloudWatchLogsClient, name: str, clock: Clock) -> None:
        self._sagemaker = sagemaker
        self._logs = logs
        self._name = name
        self._clock = clock

    def upsert(self, definition: Mapping[str, Any], role: str, tags: Mapping[str, str]) -> bool:
        """Create the pipeline, or update it if its definition changed. Returns whether anything was written."""
        text = json.dumps(definition, sort_keys=True)
        try:
            found = self._sagemaker.describe_pipeline(PipelineName=self._name)
        except self._sagemaker.exceptions.ClientError as error:
            if not is_not_found(error):
                raise
            self._sagemaker.create_pipeline(
                PipelineName=self._name,
                PipelineDefinition=text,
                RoleArn=role,
                ClientRequestToken=hashlib.sha256(f"{self._name}{text}".encode()).hexdigest(),
                Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
            )
            return True
        if json.loads(found["PipelineDefinition"]) == json.loads(text) and found["RoleArn"] == role:
            return False
        self._sagemaker.update_pipeline(PipelineName=self._name, PipelineDefinition=text, RoleArn=role)
        return True

    def running(self) -> str | None:
        """The ARN of an execution that runs; None if none does, or if there is no such pipeline."""
        pages = self._sagemaker.get_paginator("list_pipeline_executions")
        try:
            for page in pages.paginate(PipelineName=self._name):
                for one in page["PipelineExecutionSummaries"]:
                    if one.get("PipelineExecutionStatus") in _RUNNING:
                        return one["PipelineExecutionArn"]
        except self._sagemaker.exceptions.ClientError as error:
            if not is_not_found(error):
                raise
        return None

    def check_idle(self) -> None:
        """Check that no execution runs.

        Raises:
            PreconditionError: one does.
        """
        running = self.running()
        if running:
            raise PreconditionError(
                f"the execution {running.rsplit('/', 1)[-1]} of {self._name} is still running. Wait for it, stop it "
                f"with `aws sagemaker stop-pipeline-execution --pipeline-execution-arn {running}`, or use --concurrent."
            )

    def start(self, parameters: Mapping[str, str], *, concurrent: bool, description: str) -> str:
        """Start an execution. Returns its ARN.

        Raises:
            PreconditionError: one runs already, and `concurrent` is false.
        """
        if not concurrent:
            self.check_idle()
        started = self._sagemaker.start_pipeline_execution(
            PipelineName=self._name,
            # The SDK's retries send the same token, so a lost answer starts nothing twice.
            ClientRequestToken=secrets.token_hex(16),
            PipelineExecutionDescription=description,
            PipelineParameters=[{"Name": name, "Value": value} for name, value in sorted(parameters.items())],
        )
        return started["PipelineExecutionArn"]

    def follow(self, arn: str, report: Report) -> dict[str, Step]:
        """Report each change of a step until the execution ends. Returns its steps, in the order of their starts.

        Raises:
            PlatformError: the execution failed or was stopped. The details are the end of the failed step's log.
        """
        shown: dict[str, str] = {}
        while True:
            # The status first: a step that ends between the two calls is then in the list.
            described = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
            steps = self.steps(arn)
            for step in steps.values():
                if shown.get(step.name) != step.line:
                    shown[step.name] = step.line
                    report(step.line)
            status = described["PipelineExecutionStatus"]
            if status not in _RUNNING:
                break
            self._clock.sleep(_POLL_SECONDS)
        if status != "Succeeded":
            raise self._failure(arn, status, described.get("FailureReason", ""), steps)
        return steps

    def has_succeeded(self, arn: str) -> bool | None:
        """Whether an execution succeeded; None if it still runs."""
        try:
            status = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
        except self._sagemaker.exceptions.ClientError as error:
            if not is_not_found(error):
                raise
            return False  # It was deleted with its pipeline.
        return None if status in _RUNNING else status == "Succeeded"

    def steps(self, arn: str) -> dict[str, Step]:
        """The steps that have started, in the order of their starts."""
        pages = self._sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=arn, SortOrder="Ascending"
        )
        found = [Step.read(one) for page in pages for one in page["PipelineExecutionSteps"]]
        return {step.name: step for step in found}

    def _failure(self, arn: str, status: str, reason: str, steps: Mapping[str, Step]) -> PlatformError:
        execution = arn.rsplit("/", 1)[-1]
        failed = next((step for step in steps.values() if step.status == "Failed"), None)
        if failed is None:
            ending = "was stopped" if status == "Stopped" else f"ended as {status}"
            return PlatformError(f"the execution {execution} {ending}{': ' + reason if reason else ''}.")
        if failed.job is None:
            # The reason of a Fail step says why. A condition that cannot be evaluated needs the scores that were found,
            # which the step before it prints: the metric may have another name.
            last = next((step for step in reversed([*steps.values()]) if step.job and not failed.is_fail), None)
            found = [f"The end of the log of {last.name}:", *self._tail(last)] if last else []
            return PlatformError(f"nothing was registered: {failed.reason.rstrip('.')}.", found)
        why = self._message(failed) or failed.reason
        return PlatformError(f"the step {failed.name} failed: {why.rstrip('.')}.", self._tail(failed))

    def _message(self, step: Step) -> str:
        """The processing job's exit message, which its step's failure reason does not contain."""
        if step.job is None or step.job[0] != "ProcessingJob":
            return ""
        found = self._sagemaker.describe_processing_job(ProcessingJobName=step.job[1])
        return str(found.get("ExitMessage") or "")

    def _tail(self, step: Step) -> list[str]:
        if step.job is None:
            return []
        group = _GROUPS[step.job[0]]
        try:
            streams = self._logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{step.job[1]}/")
            lines: list[str] = []
            for stream in streams["logStreams"]:
                name = stream["logStreamName"]
                events = self._logs.get_log_events(logGroupName=group, logStreamName=name, limit=_LINES)["events"]
                lines += [line for event in events for line in event.get("message", "").rstrip().splitlines()]
        except self._logs.exceptions.ClientError as error:
            return [f"(the log {group} cannot be read: {error_code(error)})"]
        return [line for line in lines if line.strip()][-_LINES:]
