"""Executions of pipelines are part of localaws's saved state."""

import json

from localaws.delivery.record import FAILED, IN_PROGRESS, SUCCEEDED, ActionRun, Execution
from localaws.delivery.saving import loaded, saved

ARN = "arn:aws:codepipeline:us-east-1:123456789012:a"
PIPELINE = {"name": "a", "version": 1, "stages": []}
TRIGGER = {"triggerType": "Webhook", "triggerDetail": "a"}


def again(execution: Execution) -> Execution:
    [found] = loaded(json.loads(json.dumps(saved({ARN: [execution]}))))[ARN]
    return found


def test_an_execution_that_has_ended_is_as_it_was() -> None:
    execution = Execution(PIPELINE, TRIGGER, artifacts={"Code": ("bucket", "key")}, stages={"Source": SUCCEEDED})
    execution.runs.append(ActionRun("Source", {"name": "Source", "actionTypeId": {}}, variables={"CommitId": "1a2b"}))
    execution.runs[0].end(SUCCEEDED, summary="change")
    execution.end(FAILED)
    found = again(execution)
    assert found.describe() == execution.describe()
    assert found.summarize() == execution.summarize()
    assert found.action_details() == execution.action_details()


def test_an_execution_that_waited_for_approval_is_stopped_and_its_token_is_void() -> None:
    execution = Execution(PIPELINE, TRIGGER, stages={"Source": SUCCEEDED, "Approve": IN_PROGRESS})
    execution.runs.append(ActionRun("Approve", {"name": "Approve"}, token="1a2b"))
    found = again(execution)
    assert (found.status, found.summary) == ("Stopped", "localaws was stopped while the execution ran.")
    assert found.stages == {"Source": "Succeeded", "Approve": "Stopped"}
    assert found.runs[0].status == "Abandoned"
    assert "token" not in found.runs[0].state()
