"""Following an execution: each change once, the reason of a failure, and no second execution by mistake."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from mlflow_common.console import Console
from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_platform.factory import runs
from mlflow_platform.factory.execution import Pipeline
from scripts.run_pipeline import follow
from tests.platform.conftest import FakeClock

ARN = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p/execution/abcdefghijkl"
START = datetime(2026, 1, 1, tzinfo=UTC)
JOB = {"ProcessingJob": {"Arn": "arn:aws:sagemaker:us-east-1:123456789012:processing-job/job-1"}}


def step(name: str, status: str, **more: Any) -> dict[str, Any]:
    ended = {} if status == "Executing" else {"EndTime": START + timedelta(seconds=9)}
    return {"StepName": name, "StepStatus": status, "StartTime": START, **ended, **more}


class FakeSageMaker:
    """Answers with one (status, steps) after another; the last one stays."""

    class exceptions:  # noqa: N801 as in boto3
        ClientError = ClientError

    def __init__(self, *states: tuple[str, list[dict[str, Any]]], message: str = "") -> None:
        self.states = list(states)
        self.message = message
        self.started: list[dict[str, Any]] = []

    def describe_pipeline_execution(self, **_: Any) -> dict[str, Any]:
        return {"PipelineExecutionStatus": self.states[0][0]}

    def get_paginator(self, operation: str) -> Any:
        return type("Paginator", (), {"paginate": lambda _, **__: getattr(self, operation)()})()

    def list_pipeline_execution_steps(self) -> list[dict[str, Any]]:
        steps = self.states[0][1]
        if len(self.states) > 1:
            self.states.pop(0)
        return [{"PipelineExecutionSteps": steps}]

    def list_pipeline_executions(self) -> list[dict[str, Any]]:
        summary = {"PipelineExecutionArn": ARN, "PipelineExecutionStatus": self.states[0][0]}
        return [{"PipelineExecutionSummaries": [summary]}]

    def start_pipeline_execution(self, **given: Any) -> dict[str, Any]:
        self.started.append(given)
        return {"PipelineExecutionArn": ARN}

    def describe_processing_job(self, **_: Any) -> dict[str, Any]:
        return {"ExitMessage": self.message}


class FakeLogs:
    exceptions = FakeSageMaker.exceptions

    def describe_log_streams(self, **given: Any) -> dict[str, Any]:
        assert given == {"logGroupName": "/aws/sagemaker/ProcessingJobs", "logStreamNamePrefix": "job-1/"}
        return {"logStreams": [{"logStreamName": "job-1/algo-1"}]}

    def get_log_events(self, **_: Any) -> dict[str, Any]:
        return {"events": [{"message": "reading\n\n"}, {"message": "error: row 3\n"}]}


def pipeline(sagemaker: FakeSageMaker) -> Pipeline:
    return Pipeline(sagemaker, FakeLogs(), "p", FakeClock())


def test_each_change_of_a_step_is_reported_once(messages: list[str]) -> None:
    cached = step("Prepare", "Succeeded", CacheHitResult={})
    running = ("Executing", [cached, step("Train", "Executing")])
    done = ("Succeeded", [cached, step("Train", "Succeeded")])
    steps = pipeline(FakeSageMaker(("Executing", []), running, running, done)).follow(ARN, messages.append)
    expected = ["Prepare: Succeeded (from the cache)", "Train: Executing", "Train: Succeeded after 9 s"]
    assert messages == expected
    assert [one.is_cached for one in steps.values()] == [True, False]


def test_a_failed_step_is_reported_with_its_message_and_the_end_of_its_log(messages: list[str]) -> None:
    failed = step("Prepare", "Failed", FailureReason="AlgorithmError: See job logs", Metadata=JOB)
    with pytest.raises(PlatformError) as raised:
        pipeline(FakeSageMaker(("Failed", [failed]), message="row 3 is bad")).follow(ARN, messages.append)
    assert raised.value.message == "the step Prepare failed: row 3 is bad."
    assert raised.value.details == ("reading", "error: row 3")


def test_a_step_that_exceeded_its_time_is_reported_with_sagemakers_reason(messages: list[str]) -> None:
    failed = step("Prepare", "Failed", FailureReason="Processing job exceeded its maximum runtime.", Metadata=JOB)
    with pytest.raises(PlatformError, match="the step Prepare failed: Processing job exceeded its maximum runtime"):
        pipeline(FakeSageMaker(("Failed", [failed]))).follow(ARN, messages.append)


def test_a_metric_below_the_threshold_is_reported(messages: list[str]) -> None:
    why = "accuracy is 0.5 which is below the threshold 0.9"
    failed = step("Reject", "Failed", FailureReason=why, Metadata={"Fail": {"ErrorMessage": why}})
    states = [step("Evaluate", "Succeeded", Metadata=JOB), step("Decide", "Succeeded"), failed]
    with pytest.raises(PlatformError, match=r"nothing was registered: accuracy is 0\.5 which is below") as raised:
        pipeline(FakeSageMaker(("Failed", states))).follow(ARN, messages.append)
    assert raised.value.details == ()


def test_a_metric_that_the_evaluation_does_not_have_is_reported_with_those_that_it_has(messages: list[str]) -> None:
    failed = step("Decide", "Failed", FailureReason="Property file Report has no value at the path 'metrics.x.value'")
    with pytest.raises(PlatformError, match=r"nothing was registered: .* no value at the path") as raised:
        pipeline(FakeSageMaker(("Failed", [step("Evaluate", "Succeeded", Metadata=JOB), failed]))).follow(
            ARN, messages.append
        )
    assert raised.value.details == ("The end of the log of Evaluate:", "reading", "error: row 3")


def test_a_stopped_execution_is_reported(messages: list[str]) -> None:
    with pytest.raises(PlatformError, match="the execution abcdefghijkl was stopped"):
        pipeline(FakeSageMaker(("Stopped", []))).follow(ARN, messages.append)


def test_a_second_execution_is_refused_while_one_runs() -> None:
    sagemaker = FakeSageMaker(("Executing", []))
    with pytest.raises(PreconditionError, match="the execution abcdefghijkl of p is still running"):
        pipeline(sagemaker).start({}, concurrent=False, description="d")
    with pytest.raises(PreconditionError, match=r"Wait for it, stop it with .* or use --concurrent"):
        pipeline(sagemaker).check_idle()
    assert sagemaker.started == []
    assert pipeline(sagemaker).start({"B": "2", "A": "1"}, concurrent=True, description="d") == ARN
    (given,) = sagemaker.started
    assert [one["Name"] for one in given["PipelineParameters"]] == ["A", "B"]
    assert len(given["ClientRequestToken"]) >= 32


def test_a_pipeline_that_does_not_exist_yet_is_idle() -> None:
    missing = ClientError({"Error": {"Code": "ResourceNotFound", "Message": ""}}, "ListPipelineExecutions")
    sagemaker = FakeSageMaker(("Executing", []))
    sagemaker.list_pipeline_executions = Mock(side_effect=missing)
    pipeline(sagemaker).check_idle()


@pytest.mark.parametrize(
    ("text", "role", "written"),
    [
        ('{"Version": "1"}', "pipelines", False),
        ('{"Version": "2"}', "pipelines", True),
        ('{"Version": "1"}', "x", True),
    ],
)
def test_a_pipeline_is_written_only_if_it_changed(text: str, role: str, written: bool, aws: Any) -> None:
    arn = "arn:aws:iam::123456789012:role/{}"
    given = {"PipelineDefinition": '{"Version":"1"}', "RoleArn": arn.format("pipelines")}
    aws("sagemaker").create_pipeline(PipelineName="p", ClientRequestToken="1" * 32, **given)
    made = Pipeline(aws("sagemaker"), aws("logs"), "p", FakeClock())
    assert made.upsert(json.loads(text), arn.format(role), {}) is written
    found = aws("sagemaker").describe_pipeline(PipelineName="p")
    assert (json.loads(found["PipelineDefinition"]), found["RoleArn"]) == (json.loads(text), arn.format(role))


@pytest.mark.parametrize(
    ("status", "expected"), [("Executing", None), ("Stopping", None), ("Succeeded", True), ("Stopped", False)]
)
def test_an_execution_has_succeeded_failed_or_still_runs(status: str, expected: bool | None) -> None:
    assert pipeline(FakeSageMaker((status, []))).has_succeeded(ARN) is expected


def test_a_deleted_execution_has_not_succeeded() -> None:
    sagemaker = FakeSageMaker(("Executing", []))
    missing = ClientError({"Error": {"Code": "ResourceNotFound", "Message": ""}}, "DescribePipelineExecution")
    sagemaker.describe_pipeline_execution = Mock(side_effect=missing)  # type: ignore[method-assign]
    assert pipeline(sagemaker).has_succeeded(ARN) is False


def test_the_runs_of_executions_that_ended_unwatched_are_ended(mlflow_here: Any) -> None:
    client = mlflow_here.MlflowClient()
    experiment = client.create_experiment("p")
    arns = {status: ARN.replace("abc", status) for status in ("won", "bad", "yet")}
    opened = {
        status: runs.open_run(client, experiment, arn, source=None, version="", tags={}) for status, arn in arns.items()
    }
    # Anyone who may write to the experiment can make such a run.
    client.create_run(experiment, tags={"pipeline.name": "p", "pipeline.step": "pipeline"})
    ended = {"won": True, "bad": False, "yet": None}
    runs.close_ended(client, experiment, "p", lambda execution: ended[execution[:3]])
    found = {status: client.get_run(run).info.status for status, run in opened.items()}
    assert found == {"won": "FINISHED", "bad": "FAILED", "yet": "RUNNING"}


@pytest.mark.parametrize(("error", "closed"), [(KeyboardInterrupt, []), (ConnectionError, []), (None, [False])])
def test_a_command_that_ends_before_the_execution_leaves_its_run_open(
    error: type[BaseException] | None, closed: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    # An error of the connection or Ctrl-C comes from a call; a failure is the end of the execution.
    sagemaker = FakeSageMaker(("Failed", []))
    if error:
        sagemaker.describe_pipeline_execution = Mock(side_effect=error)  # type: ignore[method-assign]
    ends: list[bool] = []
    with Console() as console, pytest.raises(error or PlatformError):
        follow(console, pipeline(sagemaker), ARN, lambda ok: ends.append(ok))
    assert ends == closed
    look = f"the execution continues. `aws sagemaker describe-pipeline-execution --pipeline-execution-arn {ARN}`"
    assert (look in capsys.readouterr().err) is (not closed)
