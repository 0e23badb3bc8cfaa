"""Selective execution: an execution that runs selected steps and takes the results of the others from an earlier one.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-selective-ex.html ("the guide") and
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SelectiveExecutionConfig.html ("the reference"). They
limit no step types. AWS documents no texts of the errors; where one is known, its source is beside it.
"""

import copy
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from typing import Any

from localaws.endpoints.records import refusal
from localaws.pipelines.definition import Definition
from localaws.pipelines.record import Execution, StepRun

# "The execution status of the pipeline can be either Failed or Success": the reference.
_SOURCES = ("Failed", "Succeeded")


def selected(config: dict[str, Any]) -> set[str]:
    """The names of the selected steps."""
    return {one["StepName"] for one in config["SelectedSteps"]}


def reused(
    config: dict[str, Any], definition: Definition, pipeline: str, find: Callable[[str], Execution]
) -> dict[str, StepRun]:
    """The steps of the source execution that the selected steps need.

    Args:
        config: the SelectiveExecutionConfig of a request.
        pipeline: the ARN of the pipeline that starts.
        find: returns the execution with an ARN, or raises ResourceNotFound.

    Raises:
        AwsError: the steps cannot be selected, or the source cannot be used.
    """
    names, above = selected(config), _ancestors(definition)
    unknown = sorted(names - set(definition.steps))
    if unknown:
        raise refusal(f"Invalid SelectedSteps: the pipeline has no steps {_listed(unknown)}.")
    needed = set[str]().union(*(above[name] for name in names)) - names
    # "All step(s) in all path(s) between two selected steps should be included": the reference. "You cannot select just
    # AbaloneTrain and AbaloneMSECond steps because these steps are not connected": the guide.
    between = sorted(name for name in needed if above[name] & names)
    if between:
        raise refusal(
            f"Invalid SelectedSteps: the steps {_listed(between)} are between selected steps and must be selected."
        )
    arn = config.get("SourcePipelineExecutionArn")
    if not arn:
        if needed:
            # The text: https://github.com/aws/sagemaker-python-sdk/issues/4444. The API takes no default: SageMaker's
            # SDK itself looks up the latest execution (`reference_latest_execution`).
            raise refusal(
                f"Invalid SourcePipelineExecutionArn: null. The selected steps {_listed(sorted(names))} have "
                f"dependencies on {_listed(sorted(needed))}"
            )
        return {}
    source = find(arn)
    if source.pipeline != pipeline:  # "a reference execution of the current pipeline": the reference.
        raise refusal(f"Invalid SourcePipelineExecutionArn: {arn} is not an execution of {pipeline}.")
    if source.status not in _SOURCES:
        allowed = " or ".join(_SOURCES)
        raise refusal(f"Invalid SourcePipelineExecutionArn: {arn} is in status {source.status}. It must be {allowed}.")
    missing = sorted(name for name in needed if name not in source.steps or source.steps[name].status != "Succeeded")
    if missing:
        raise refusal(
            f"Invalid SourcePipelineExecutionArn: {arn} cannot be used, because the steps {_listed(missing)}, on which "
            "the selected steps depend, did not succeed in it."
        )
    return {name: _copied(source, name) for name in definition.steps if name in needed}


def _ancestors(definition: Definition) -> dict[str, set[str]]:
    """For each step, the steps upstream of it. A condition is upstream of the steps in its branches."""
    graph = definition.graph()
    found: dict[str, set[str]] = {}
    for name in TopologicalSorter(graph).static_order():
        found[name] = set(graph[name]).union(*(found[one] for one in graph[name]))
    return found


def _copied(source: Execution, name: str) -> StepRun:
    """A step with the result of the source's, without the key by which later executions would reuse it."""
    found, now = source.steps[name], datetime.now(UTC)
    kept = {key: value for key, value in found.shown.items() if key != "CacheHitResult"}
    # "The ARN from an execution of the current pipeline from which results are reused for this step": botocore's model.
    # SageMaker's SDK tests that it is the request's (tests/integ/sagemaker/workflow/helpers.py).
    origin = {"SelectiveExecutionResult": {"SourcePipelineExecutionArn": source.arn}, "StartTime": now, "EndTime": now}
    return StepRun(copy.deepcopy(kept) | origin, copy.deepcopy(found.properties))


def _listed(names: Iterable[str]) -> str:
    return f"[{', '.join(names)}]"
