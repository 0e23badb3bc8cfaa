"""What a container's error says, on one line."""

import json

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from mlflow_platform.endpoints.container_message import container_message, invocation_error

RAISED = {
    "error_code": "BAD_REQUEST",
    "message": "Encountered an unexpected error while evaluating the model. Verify that the input is compatible.",
    "stack_trace": 'Traceback (most recent call last):\n  File "m.py"\nRuntimeError: no such tree\n',
}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (json.dumps(RAISED), "RuntimeError: no such tree"),
        (json.dumps(RAISED | {"stack_trace": ""}), RAISED["message"]),
        (json.dumps({"message": "Failed to predict data 'x'. \nError: no\ncolumn"}), "no column"),
        ("<html>\nnot JSON", "<html> not JSON"),
        ("", "it gives no reason"),
        ("x" * 400, "x" * 300 + "…"),
        ("Failed to enforce schema of data a with schema b. Error: c. Error: d", "c. Error: d"),
        # A hostile model's: an expression with two unlimited parts takes minutes for it.
        (
            f"Failed to enforce schema of data{' with schema ' * 100_000}",
            f"Failed to enforce schema of data{' with schema' * 30}"[:300] + "…",
        ),
    ],
)
def test_the_message_is_one_line_that_gives_the_reason(text: str, line: str) -> None:
    assert container_message(text) == line


def test_a_failed_request_shows_the_answer_of_the_container_instead_of_its_traceback() -> None:
    answer = {
        "Error": {"Code": "ModelError", "Message": f"Received client error (400) … {json.dumps(RAISED)}"},
        "OriginalStatusCode": 400,
        "OriginalMessage": json.dumps(RAISED),
    }
    assert invocation_error(ClientError(answer, "InvokeEndpoint")) == "HTTP 400: RuntimeError: no such tree"  # type: ignore[arg-type]
    assert invocation_error(ClientError({"Error": {"Message": "denied"}}, "InvokeEndpoint")) == "denied"
    assert "timeout on endpoint" in invocation_error(ReadTimeoutError(endpoint_url="https://runtime.example"))
