"""Executions report their state changes, of which localaws makes events."""

from pathlib import Path
from typing import Any

from localaws.delivery.deliveries import Deliveries
from localaws.delivery.record import Execution
from localaws.delivery.repositories import Repositories
from tests.support.waiting import eventually

ARN = "arn:aws:codepipeline:us-east-1:123456789012:a"


def states(tmp_path: Path, stages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The states that an execution reports until it has ended, with the status that it has then."""
    found: list[tuple[str, str]] = []

    def changed(execution: Execution, arn: str, state: str) -> None:
        assert arn == ARN
        found.append((state, execution.status))

    deliveries = Deliveries(Repositories(tmp_path), lambda _role, _arn: lambda _service: None, changed)
    pipeline = {"name": "a", "version": 1, "roleArn": "role", "stages": stages}
    deliveries.start(pipeline, ARN, "StartPipelineExecution", "a")
    eventually(lambda: len(found) == 2, 120)
    return found


def test_an_execution_that_succeeds_reports_its_start_and_its_end(tmp_path: Path) -> None:
    assert states(tmp_path, [])[-1] == ("SUCCEEDED", "Succeeded")


def test_an_execution_whose_action_fails_reports_that(tmp_path: Path) -> None:
    kind = {"category": "Build", "owner": "AWS", "provider": "Jenkins", "version": "1"}
    stages = [{"name": "Build", "actions": [{"name": "Build", "actionTypeId": kind}]}]
    found = states(tmp_path, stages)
    assert found[0][0] == "STARTED"
    assert found[-1] == ("FAILED", "Failed")
