"""Executions of pipelines as JSON, for localaws's saved state.

CodePipeline's executions outlive everything on AWS. Those of localaws end with its processes, and are shown as stopped.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from localaws.delivery.record import ABANDONED, IN_PROGRESS, STOPPED, STOPPING, ActionRun, Execution

_EVENTS = ("answered", "stop", "abandon")
_SUMMARY = "localaws was stopped while the execution ran."


def saved(executions: Mapping[str, Sequence[Execution]]) -> dict[str, list[dict[str, Any]]]:
    """The executions by the ARNs of their pipelines, oldest first."""
    return {
        arn: [{**_members(one), "runs": [_members(run) for run in one.runs]} for one in found]
        for arn, found in executions.items()
    }


def loaded(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[Execution]]:
    """The executions that `saved` returned. None of them runs."""
    return {arn: [_execution(one) for one in executions] for arn, executions in found.items()}


def _members(of: ActionRun | Execution) -> dict[str, Any]:
    return {name: value for name, value in vars(of).items() if name not in _EVENTS}


def _execution(found: Mapping[str, Any]) -> Execution:
    members = {**found, "runs": [ActionRun(**run) for run in found["runs"]]}
    members["artifacts"] = {name: (bucket, key) for name, (bucket, key) in found["artifacts"].items()}
    execution = Execution(**members)
    if execution.status in (IN_PROGRESS, STOPPING):
        for run in execution.runs:
            if run.status == IN_PROGRESS:
                run.end(ABANDONED, error=_SUMMARY)
        for stage, status in execution.stages.items():
            execution.stages[stage] = STOPPED if status == IN_PROGRESS else status
        execution.end(STOPPED, _SUMMARY)
    return execution
