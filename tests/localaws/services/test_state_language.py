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
        ({**TASK, "Resource": "arn:aws:states:::aws-sdk:sagemaker:stopServer"}, "is not recognized"),
        ({**TASK, "Resource": "arn:aws:states:::aws-sdk:sagemaker:StopMlflowTrackingServer"}, "is not recognized"),
        ({**PASS, "Type": "Parallel", "Branches": [{"StartAt": "X", "States": {"Y": PASS}}]}, "target: X"),
        ({**PASS, "Type": "Map", "ItemProcessor": {"StartAt": "X", "States": {"X": {"Type": "Pass"}}}}, "either Next"),
    ],
)
def test_refuses(state: dict[str, Any], message: str) -> None:
    assert message in found(A=state)


def test_a_name_has_at_most_80_characters() -> None:
    assert "more than 80" in " ".join(problems({"StartAt": "A" * 81, "States": {"A" * 81: PASS}}))


def test_accepts_what_is_in_the_language() -> None:
    choice = {"Type": "Choice", "Choices": [{**RULE, "Next": "B"}], "Default": "C"}
    assert found(A=choice, B={**TASK, "Catch": [{"ErrorEquals": ["a"], "Next": "C"}]}, C={"Type": "Fail"}) == ""
