"""State machines that moto's parser takes and Step Functions refuses."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.eval import evaluation_details
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker

from localaws.services import state_interpreter
from localaws.services.state_language import has_jsonata, problems

TASK = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sagemaker:stopMlflowTrackingServer", "End": True}
PASS = {"Type": "Pass", "End": True}
RULE = {"Variable": "$.a", "IsPresent": True}


def found(**states: dict[str, Any]) -> str:
    return " ".join(problems({"StartAt": "A", "States": states}))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"Type": "Pass"}, "either Next or End"),
        ({"Type": "Pass", "End": True, "Next": "A"}, "either Next or End"),
        ({"Type": "Fail", "End": True}, "neither Next nor End"),
        ({"Type": "Choice"}, "needs Choices"),
        ({"Type": "Choice", "Choices": [RULE]}, "needs Choices"),
        ({"Type": "Choice", "Choices": [{**RULE, "Next": "C"}]}, "Missing 'Next' target: C"),
        ({**TASK, "TimeoutSeconds": 0}, "must be positive"),
        ({**TASK, "Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["a"]}]}, "last rule of Retry"),
        ({**PASS, "InputPath": "$.["}, "not a valid JSONPath: InputPath"),
        ({**PASS, "OutputPath": "$.x y"}, "not a valid JSONPath"),
        ({**PASS, "ResultPath": "$.[*]"}, "not a Reference Path"),
        ({**PASS, "ResultPath": "$.a[*]"}, "not a Reference Path"),
        ({**PASS, "Parameters": {"a": [{"b.$": "x"}]}}, "must be a valid JSONPath or a valid intrinsic function call"),
        ({**PASS, "Parameters": {"a.$": 5}}, "field 'a.$' must be"),
        ({**PASS, "Parameters": {"a.$": "States.Foo($.x)"}}, "intrinsic function"),
        ({**PASS, "Parameters": {"a.$": "States.Format('{}', States.UUID()"}}, "intrinsic function"),
        ({"Type": "Choice", "Choices": [{"Not": {**RULE, "Variable": "a"}, "Next": "A"}]}, "not a valid JSONPath"),
        ({**TASK, "Resource": "arn:aws:states:::aws-sdk:sagemaker:stopServer"}, "is not recognized"),
        ({**TASK, "Resource": "arn:aws:states:::aws-sdk:sagemaker:StopMlflowTrackingServer"}, "is not recognized"),
        ({**PASS, "Type": "Parallel", "Branches": [{"StartAt": "X", "States": {"Y": PASS}}]}, "target: X"),
        ({**PASS, "Type": "Map", "ItemProcessor": {"StartAt": "X", "States": {"X": {"Type": "Pass"}}}}, "either Next"),
    ],
)
def test_refuses(state: dict[str, Any], message: str) -> None:
    assert message in found(A=state)


@pytest.mark.parametrize(
    "path",
    [
        "$",
        "$$.Execution.Id",
        "$variable.a",
        "$.a-b.c[0]['d e'].größe",
        "$..a[?(@.b > 1)]",
        "$.a[0:2].*",
        "$.a.length()",
        "$.@timestamp",
        "$.['a'].b",
        "States.Format('a) {}', $.x)",
        "States.ArrayGetItem(States.StringSplit($.a, '/'), 0)",
    ],
)
def test_accepts_a_path(path: str) -> None:
    assert found(A={**PASS, "Parameters": {"a.$": path}}) == ""


def test_each_state_can_be_reached() -> None:
    assert found(A=PASS, B=PASS) == 'MISSING_TRANSITION_TARGET: State "B" is not reachable. at /States/B'


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ({"States": {"A": PASS}}, False),
        ({"QueryLanguage": "JSONata", "States": {"A": PASS}}, True),
        ({"States": {"A": {**PASS, "QueryLanguage": "JSONata"}}}, True),
        ({"States": {"A": {"Type": "Map", "Iterator": {"QueryLanguage": "JSONata", "States": {}}}}}, True),
        ({"States": {"A": {**PASS, "Result": {"QueryLanguage": "JSONata"}}}}, False),
    ],
)
def test_finds_jsonata(machine: dict[str, Any], expected: bool) -> None:
    assert has_jsonata(machine) is expected


def run(definition: dict[str, Any], given: Any) -> Any:
    """Run a state machine in moto's interpreter, to its end; its environment."""
    state_interpreter.install()
    details = evaluation_details.EvaluationDetails(
        evaluation_details.AWSExecutionDetails("123456789012", "us-east-1", "role"),
        evaluation_details.ExecutionDetails("arn", "e", "role", given, "2026-01-01T00:00:00Z"),
        evaluation_details.StateMachineDetails("arn", "m", "STANDARD", json.dumps(definition)),
    )
    worker = ExecutionWorker(details, SimpleNamespace(terminated=lambda: None), None, {})
    worker._execution_logic()
    return worker.env


def test_a_choice_without_a_match_fails() -> None:
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEquals": 1, "Next": "B"}]}
    machine = {"StartAt": "A", "States": {"A": choice, "B": PASS}}
    assert run(machine, {"a": 1}).states.get_input() == {"a": 1}
    failed = run(machine, {"a": 2}).program_state()
    assert failed.error["error"] == "States.NoChoiceMatched"


def test_variables_are_read() -> None:
    first = {"Type": "Pass", "Assign": {"x.$": "$.a"}, "Next": "B"}
    second = {**PASS, "Parameters": {"all.$": "$x", "one.$": "$x.b[0]", "text.$": "States.Format('{}', $x.b[1])"}}
    found = run({"StartAt": "A", "States": {"A": first, "B": second}}, {"a": {"b": [1, 2]}})
    assert found.states.get_input() == {"all": {"b": [1, 2]}, "one": 1, "text": "2"}


def test_a_jsonata_state_has_no_paths() -> None:
    assert found(A={**PASS, "QueryLanguage": "JSONata", "InputPath": "x"}) == ""
    machine = {"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {**PASS, "Parameters": {"a.$": "x"}}}}
    assert not list(problems(machine))


def test_a_name_has_at_most_80_characters() -> None:
    assert "more than 80" in " ".join(problems({"StartAt": "A" * 81, "States": {"A" * 81: PASS}}))


def test_accepts_what_is_in_the_language() -> None:
    choice = {"Type": "Choice", "Choices": [{**RULE, "Next": "B"}], "Default": "C"}
    assert found(A=choice, B={**TASK, "Catch": [{"ErrorEquals": ["a"], "Next": "C"}]}, C={"Type": "Fail"}) == ""
