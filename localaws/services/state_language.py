"""Rules of the Amazon States Language that moto's parser does not check.

Sources: https://states-language.net/spec.html (transitions, names, Choice, timeouts) and
https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html (the form of actions). AWS documents
no text for an action that does not exist, and not whether it is refused at the creation already.
"""

import re
from collections.abc import Iterator
from typing import Any

from localaws.services import state_paths
from localaws.services.scheduler_targets import has_action

NAME = 80
_ENDS, _CHOICE = ("Succeed", "Fail"), "Choice"
_ACTION = re.compile(
    r"arn:aws[a-z-]*:states:::aws-sdk:(?P<service>[a-z0-9]+):(?P<action>\w+)(\.waitForTaskToken)?", re.ASCII
)


def problems(machine: dict[str, Any], language: str = "JSONPath") -> Iterator[str]:
    """What is wrong with a state machine, or with a branch of a state, that moto's parser takes.

    Args:
        language: the query language of the state around a branch.
    """
    language = machine.get("QueryLanguage", language)
    states = machine["States"]
    named = [machine["StartAt"], *(target for state in states.values() for target in _targets(state))]
    for missing in sorted(set(named) - set(states)):
        yield f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {missing}"
    # As on AWS: https://github.com/localstack/localstack/issues/11978.
    for unreachable in (name for name in states if name not in named):
        yield f'MISSING_TRANSITION_TARGET: State "{unreachable}" is not reachable. at /States/{unreachable}'
    for name, state in states.items():
        if len(name) > NAME:
            yield f"SCHEMA_VALIDATION_FAILED: The name {name[:NAME]}… has more than {NAME} characters"
        yield from (f"SCHEMA_VALIDATION_FAILED: {one} at /States/{name}" for one in _of_state(state))
        if state.get("QueryLanguage", language) == "JSONPath":
            yield from (f"SCHEMA_VALIDATION_FAILED: {one} at /States/{name}" for one in state_paths.problems(state))
        for branch in _branches(state):
            yield from problems(branch, language)


def has_jsonata(machine: dict[str, Any]) -> bool:
    """Whether a state machine, one of its states, or a branch of one, has the query language JSONata."""
    states = list(machine["States"].values())
    return any(one.get("QueryLanguage") == "JSONata" for one in [machine, *states]) or any(
        has_jsonata(branch) for state in states for branch in _branches(state)
    )


def _branches(state: dict[str, Any]) -> list[dict[str, Any]]:
    inner = state.get("ItemProcessor") or state.get("Iterator")
    return [*state.get("Branches", []), *([inner] if inner else [])]


def _of_state(state: dict[str, Any]) -> Iterator[str]:
    kind = state.get("Type")
    if kind == _CHOICE:
        if not state.get("Choices") or not all("Next" in rule for rule in state["Choices"]):
            yield "A Choice state needs Choices, and each of them Next"
    elif kind not in _ENDS and ("Next" in state) == bool(state.get("End")):
        yield "A state needs either Next or End"
    elif kind in _ENDS and ("Next" in state or "End" in state):
        yield f"A {kind} state has neither Next nor End"
    for field in ("TimeoutSeconds", "HeartbeatSeconds"):
        if isinstance(state.get(field), int) and state[field] < 1:
            yield f"{field} must be positive"
    for field in ("Retry", "Catch"):
        if any("States.ALL" in rule["ErrorEquals"] for rule in state.get(field, [])[:-1]):
            yield f"States.ALL must be in the last rule of {field}"
    resource = str(state.get("Resource") or "")
    found = _ACTION.fullmatch(resource)
    if ":::aws-sdk:" in resource and (not found or not has_action(found["service"], found["action"])):
        yield f"The resource provided {resource} is not recognized"


def _targets(state: dict[str, Any]) -> list[str]:
    """The names of the states that follow a state."""
    followed = [state, *state.get("Choices", []), *state.get("Catch", [])]
    return [part[key] for part in followed for key in ("Next", "Default") if key in part]
