"""A selective execution runs the selected steps with the results of an earlier execution, as SageMaker does."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.errors import AwsError
from localaws.pipelines.definition import Definition
from localaws.pipelines.record import Execution, StepRun
from localaws.pipelines.selection import reused
from tests.localaws.jobs.conftest import JobBench
from tests.localaws.pipelines.test_definition import condition, fail, text
from tests.localaws.pipelines.test_executions import steps, wait

ARN = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p"


def ask(name: str, **arguments: Any) -> dict[str, Any]:
    """A callback step."""
    return {"Name": name, "Type": "Callback", "SqsQueueUrl": "url", "Arguments": arguments}


# Prepare -> Train -> Check -> Reject, and Alone.
CHECK = condition("Check", {"Get": "Steps.Train.X"}, then=[fail("Reject")], otherwise=[])
DEFINITION = Definition.parse(
    text(ask("Prepare"), ask("Train", of={"Get": "Steps.Prepare.X"}), CHECK, fail("Alone", DependsOn=[]))
)


def execution(status: str = "Failed", *, pipeline: str = ARN, failed: str = "Reject") -> Execution:
    """An execution in which all steps but one succeeded."""
    found = Execution(f"{pipeline}/execution/e", pipeline, "role", "", {}, [], 1, "token", {})
    found.details = {"PipelineExecutionStatus": status}
    for name in ("Prepare", "Train", "Check", "Reject"):
        ended = "Failed" if name == failed else "Succeeded"
        shown = {"StepName": name, "StepStatus": ended, "CacheHitResult": {"SourcePipelineExecutionArn": "other"}}
        found.steps[name] = StepRun(shown, {"X": name}, key="k")
    return found


def reuse(names: str, source: Execution | None) -> dict[str, StepRun]:
    config: dict[str, Any] = {"SelectedSteps": [{"StepName": name} for name in names.split()]}
    if source:
        config["SourcePipelineExecutionArn"] = source.arn
    find: Callable[[str], Execution] = {source.arn: source}.__getitem__ if source else {}.__getitem__
    return reused(config, DEFINITION, ARN, find)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("Train", ["Prepare"]),
        ("Train Check", ["Prepare"]),
        ("Reject", ["Prepare", "Train", "Check"]),
        ("Prepare Train", []),
        ("Alone", []),
        ("Alone Check", ["Prepare", "Train"]),
    ],
)
def test_only_steps_upstream_of_the_selected_ones_are_reused(names: str, expected: list[str]) -> None:
    found = reuse(names, execution())
    assert list(found) == expected
    origin = {"SourcePipelineExecutionArn": f"{ARN}/execution/e"}
    for name, run in found.items():
        assert run.shown["SelectiveExecutionResult"] == origin
        assert "CacheHitResult" not in run.shown
        assert run.shown["EndTime"] <= datetime.now(UTC)
        assert (run.properties, run.key) == ({"X": name}, ""), "No execution may reuse it as this one's result."


def test_steps_without_upstream_steps_need_no_source() -> None:
    assert reuse("Prepare Train Alone", None) == {}


@pytest.mark.parametrize(
    ("names", "source", "message"),
    [
        ("Train Magic", execution(), r"has no steps \[Magic\]"),
        ("Prepare Check", execution(), r"the steps \[Train\] are between selected steps"),
        ("Train Reject", execution(), r"the steps \[Check\] are between selected steps"),
        ("Train", None, r"Arn: null\. The selected steps \[Train\] have dependencies on \[Prepare\]"),
        ("Train", execution(pipeline="arn:other"), "is not an execution of arn:aws"),
        ("Alone", execution(pipeline="arn:other"), "is not an execution of arn:aws"),
        ("Train", execution("Executing"), "is in status Executing. It must be Failed or Succeeded"),
        ("Train", execution("Stopped"), "is in status Stopped"),
        (
            "Check",
            execution(failed="Train"),
            r"the steps \[Train\], on which the selected steps depend, did not succeed",
        ),
    ],
)
def test_refuses_steps_and_sources_that_cannot_be_used(names: str, source: Execution | None, message: str) -> None:
    with pytest.raises(AwsError, match=message):
        reuse(names, source)


def test_an_execution_runs_the_selected_steps_only(bench: JobBench) -> None:
    first = condition("First", {"Get": "Parameters.n"}, then=[], otherwise=[])
    second = condition("Second", 1, then=[ask("Reject")], otherwise=[])  # Its queue does not exist.
    definition = text(first, {**second, "DependsOn": ["First"]}, parameters=[{"Name": "n", "Type": "Integer"}])
    given = {"PipelineName": "selective", "PipelineParameters": [{"Name": "n", "Value": "1"}]}
    start = bench.sagemaker.start_pipeline_execution
    bench.sagemaker.create_pipeline(PipelineName="selective", RoleArn=bench.role, PipelineDefinition=definition)
    source = start(**given)["PipelineExecutionArn"]
    assert wait(bench, source)["PipelineExecutionStatus"] == "Failed"

    config = {"SourcePipelineExecutionArn": source, "SelectedSteps": [{"StepName": "Second"}]}
    arn = start(**given, SelectiveExecutionConfig=config)["PipelineExecutionArn"]
    found = wait(bench, arn)
    assert found["PipelineExecutionStatus"] == "Succeeded", "Reject is downstream, and not selected."
    assert found["SelectiveExecutionConfig"] == config
    ran = steps(bench, arn)
    assert list(ran) == ["Second", "First"], "The newest is first."
    assert ran["First"]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": source}
    assert "SelectiveExecutionResult" not in ran["Second"]

    config["SelectedSteps"] = [{"StepName": "Reject"}]
    arn = start(**given, SelectiveExecutionConfig=config)["PipelineExecutionArn"]
    assert wait(bench, arn)["PipelineExecutionStatus"] == "Failed"
    bench.sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    assert wait(bench, arn)["PipelineExecutionStatus"] == "Failed"
    assert {name: one["StepStatus"] for name, one in steps(bench, arn).items()} == {
        "First": "Succeeded",
        "Second": "Succeeded",
        "Reject": "Failed",
    }
    for wrong, message in (
        ({"SelectedSteps": [{"StepName": "First"}] * 51}, "ValidationException"),
        ({**config, "SourcePipelineExecutionArn": f"{source}x"}, "ResourceNotFound"),
    ):
        with pytest.raises(ClientError, match=message):
            start(**given, SelectiveExecutionConfig=wrong)
