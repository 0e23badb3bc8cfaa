"""The program of a function's process returns what the handler returns, and its errors as AWS's program does."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from localaws.functions import bootstrap

CONTEXT = {
    "function_name": "double",
    "function_version": "$LATEST",
    "invoked_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:double",
    "memory_limit_in_mb": "128",
    "aws_request_id": "request",
    "log_group_name": "/aws/lambda/double",
    "log_stream_name": "stream",
    "timeout": "3",
}


def run(folder: Path, code: str, event: Any) -> tuple[int, Any, str]:
    """The exit status, the result (None if there is none) and the output of a function."""
    (folder / "task").mkdir()
    (folder / "task" / "functions.py").write_text(code)
    (folder / "context").write_text(json.dumps(CONTEXT))
    (folder / "event").write_text(json.dumps(event))
    env = {"LAMBDA_TASK_ROOT": str(folder / "task"), "_HANDLER": "functions.handle"}
    command = [sys.executable, "-P", bootstrap.__file__, str(folder)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    result = folder / ("failure" if done.returncode else "result")
    return done.returncode, json.loads(result.read_text()) if result.exists() else None, done.stdout


def test_a_handler_gets_its_event_and_its_context(tmp_path: Path) -> None:
    code = """
import logging
logging.getLogger().setLevel("INFO")
def handle(event, context):
    logging.info("doubling")
    left = context.get_remaining_time_in_millis()
    return {"double": event["n"] * 2, "name": context.function_name, "has_time": 0 < left <= 3000}
"""
    status, result, output = run(tmp_path, code, {"n": 21})
    assert (status, result) == (0, {"double": 42, "name": "double", "has_time": True})
    assert "[INFO]" in output
    assert "doubling" in output


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("import absent", "Runtime.ImportModuleError", "Unable to import module 'functions': No module named 'absent'"),
        ("1 / 0", "ZeroDivisionError", "division by zero"),
        ("", "Runtime.HandlerNotFound", "Handler 'handle' missing on module 'functions'"),
        ("def handle(event, context): raise ValueError('no')", "ValueError", "no"),
        (
            "def handle(event, context): return {1}",
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type set is not JSON serializable",
        ),
        (
            "def handle(event, context): return float('nan')",
            "Runtime.MarshalError",
            "Unable to marshal response: Out of range float values are not JSON compliant",
        ),
        (
            "def handle(event, context): return chr(0xd800)",
            "Runtime.MarshalError",
            "Unable to marshal response: 'utf-8' codec can't encode character '\\ud800' in position 1: "
            "surrogates not allowed",
        ),
        (
            "def handle(",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'functions': '(' was never closed (functions.py, line 1)",
        ),
    ],
)
def test_an_error_is_the_result(code: str, kind: str, message: str, tmp_path: Path) -> None:
    status, result, output = run(tmp_path, code, {})
    assert status == 1
    assert (result["errorType"], result["errorMessage"]) == (kind, message)
    assert f"[ERROR] {kind}: {message}" in output


def test_a_message_that_is_no_utf8_is_the_result(tmp_path: Path) -> None:
    status, result, output = run(tmp_path, "def handle(event, context): raise ValueError(chr(0xd800))", {})
    assert (status, result["errorMessage"]) == (1, "\ud800")
    assert "[ERROR] ValueError: \\ud800" in output


def test_a_program_that_exits_has_no_result(tmp_path: Path) -> None:
    assert run(tmp_path, "def handle(event, context): raise SystemExit(3)", {})[:2] == (3, None)
