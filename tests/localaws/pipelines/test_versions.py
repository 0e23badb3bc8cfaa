"""Each change of a pipeline's definition is a version, which executions can name by its id or by an alias."""

import json
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.errors import AwsError
from localaws.pipelines import versions
from localaws.pipelines.operations import PipelineOperations
from localaws.services.context import Caller
from tests.localaws.jobs.conftest import JobBench
from tests.localaws.pipelines.test_executions import wait


def pipeline(*definitions: str) -> Any:
    """A pipeline of moto's with these versions, the oldest of which has the alias `old`."""
    made = SimpleNamespace(arn="p", pipeline_definition="", creation_time=datetime(2026, 1, 1))  # noqa: DTZ001
    for text in definitions:
        made.pipeline_definition = text
        versions.add(made, ["old"] if text == definitions[0] else [])
    return made


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "two"),
        ({"PipelineVersionId": 1}, "one"),
        ({"PipelineVersionId": 2}, "two"),
        ({"PipelineVersionAlias": "old"}, "one"),
    ],
)
def test_a_version_is_found_by_its_id_and_its_alias(given: dict[str, Any], expected: str) -> None:
    assert versions.resolve(pipeline("one", "two"), given)["PipelineDefinition"] == expected


def test_an_update_that_keeps_the_definition_makes_no_version() -> None:
    made = pipeline("one")
    assert [versions.add(made, []), len(versions.of(made))] == [1, 1]
    made.pipeline_definition = "two"
    assert versions.add(made, ["new"]) == 2
    assert versions.resolve(made, {"PipelineVersionAlias": "new"})["PipelineVersionId"] == 2


def test_an_update_keeps_the_definition_of_a_pipeline_that_an_earlier_localaws_saved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved = SimpleNamespace(arn="p", pipeline_definition="one", creation_time=datetime(2026, 1, 1))  # noqa: DTZ001
    monkeypatch.setattr(versions, "find", lambda *_: saved)
    unused: Any = None
    operations = PipelineOperations(unused, unused, unused, "123456789012").operations()
    request: tuple[Caller, dict[str, Any]] = (Caller("u", "us-east-1"), {"PipelineName": "p"})
    operations.checks["UpdatePipeline"](*request)
    saved.pipeline_definition = "two"
    assert operations.extensions["UpdatePipeline"](*request, {})["PipelineVersionId"] == 2
    assert [one["PipelineDefinition"] for one in versions.of(saved)] == ["one", "two"]


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (["2026"], "consists of numbers only"),
        (["old"], "Version 1 of pipeline 'p' has the alias old. Remove it there."),
        (["a", "a"], "given more than once: a"),
        ([f"a{number}" for number in range(11)], "At most 10 are allowed"),
    ],
)
def test_refuses_aliases_that_a_version_cannot_have(added: list[str], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        versions.check_aliases(pipeline("one"), added, added)


def failing(message: str) -> str:
    step = {"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": message}}
    return json.dumps({"Version": "2020-12-01", "Steps": [step]})


def test_executions_run_the_version_that_they_name(bench: JobBench) -> None:
    sagemaker, name = bench.sagemaker, "versions"
    arn = sagemaker.create_pipeline(
        PipelineName=name, RoleArn=bench.role, PipelineDefinition=failing("one"), PipelineVersionAliases=["live"]
    )["PipelineArn"]
    updated = sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=failing("two"))
    assert updated["PipelineVersionId"] == 2
    ran = {}
    for given in ({}, {"PipelineVersionId": 1}, {"PipelineVersionAlias": "live"}):
        execution = sagemaker.start_pipeline_execution(PipelineName=name, **given)["PipelineExecutionArn"]
        found = wait(bench, execution)
        definition = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=execution)
        ran[execution] = found["PipelineVersionId"], definition["PipelineDefinition"]
    assert list(ran.values()) == [(2, failing("two")), (1, failing("one")), (1, failing("one"))]
    live = sagemaker.list_pipeline_executions(PipelineName=name, PipelineVersionAlias="live")
    latest, *first = ran
    assert {one["PipelineExecutionArn"] for one in live["PipelineExecutionSummaries"]} == set(first)

    moving = {"PipelineArn": arn, "PipelineVersionDisplayName": "Second"}
    adding = {"PipelineVersionAliasOperations": {"Add": ["live"]}}
    with pytest.raises(ClientError, match=r"ConflictException.*Version 1 of pipeline .* has the alias live"):
        sagemaker.update_pipeline_version(**moving, PipelineVersionId=2, **adding)
    removing = {"PipelineVersionAliasOperations": {"Remove": ["live"]}}
    sagemaker.update_pipeline_version(PipelineArn=arn, PipelineVersionId=1, **removing)
    sagemaker.update_pipeline_version(**moving, PipelineVersionId=2, **adding)
    described = sagemaker.describe_pipeline(PipelineName=name, PipelineVersionAlias="live")
    assert (described["PipelineDefinition"], described["PipelineVersionDisplayName"]) == (failing("two"), "Second")
    listed = sagemaker.list_pipeline_versions(PipelineName=name)["PipelineVersionSummaries"]
    assert [one["PipelineVersionId"] for one in listed] == [2, 1]
    assert [one.get("PipelineVersionAliases") for one in listed] == [["live"], None]
    assert [one["LastExecutionPipelineExecutionArn"] for one in listed] == [latest, first[-1]]
    assert "PipelineVersionAliases" not in sagemaker.describe_pipeline(PipelineName=name, PipelineVersionId=1)
