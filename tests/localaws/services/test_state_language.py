"""State machines that moto's parser takes and Step Functions refuses."""

from typing import Any

import pytest

from localaws.services.state_language import problems

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


def test_a_jsonata_state_has_no_paths() -> None:
    assert found(A={**PASS, "QueryLanguage": "JSONata", "InputPath": "x"}) == ""
    machine = {"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {**PASS, "Parameters": {"a.$": "x"}}}}
    assert not list(problems(machine))


def test_a_name_has_at_most_80_characters() -> None:
    assert "more than 80" in " ".join(problems({"StartAt": "A" * 81, "States": {"A" * 81: PASS}}))


def test_accepts_what_is_in_the_language() -> None:
    choice = {"Type": "Choice", "Choices": [{**RULE, "Next": "B"}], "Default": "C"}
    assert found(A=choice, B={**TASK, "Catch": [{"ErrorEquals": ["a"], "Next": "C"}]}, C={"Type": "Fail"}) == ""
