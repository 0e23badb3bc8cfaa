"""A function ends when its time is over; what localaws cannot run is refused."""

import io
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localaws.credentials import Credentials
from localaws.errors import AwsError
from localaws.functions.functions import Functions
from localaws.processes import Processes


def archive(code: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        made.writestr("code.py", code)
    return content.getvalue()


def function(code: bytes = b"", **more: Any) -> Any:
    """A function as moto keeps it."""
    given = {
        "function_name": "f",
        "function_arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
        "role": "arn:aws:iam::123456789012:role/r",
        "region": "us-east-1",
        "package_type": "Zip",
        "run_time": "python3.12",
        "handler": "code.handle",
        "layers": [],
        "version": "$LATEST",
        "memory_size": 128,
        "timeout": 0.2,
        "logs_group_name": "/aws/lambda/f",
        "environment_vars": {"LONG": "60"},
        "code_bytes": code,
    }
    return SimpleNamespace(**{**given, **more})


@pytest.fixture
def functions(tmp_path: Path) -> Functions:
    """Functions without a localaws, so that their logs are written nowhere."""
    settings: Any = SimpleNamespace(run=tmp_path / "run", url="http://127.0.0.1:9")
    principals: Any = SimpleNamespace(assume=lambda *_: Credentials("key", "secret", "token"))
    return Functions(settings, Processes(tmp_path / "processes", tmp_path / "logs"), principals, {})


def test_a_function_ends_when_its_time_is_over(functions: Functions, tmp_path: Path) -> None:
    code = "import os, time\ndef handle(event, context): time.sleep(int(os.environ['LONG']))\n"
    result = functions.run(function(archive(code)), "{}")
    assert result.error == "Unhandled"
    assert json.loads(result.payload)["errorMessage"].endswith(" Task timed out after 0.20 seconds")
    assert list((tmp_path / "run/functions").iterdir()) == []


def test_a_program_that_exits_is_an_error(functions: Functions) -> None:
    result = functions.run(function(archive("raise SystemExit(3)")), "{}")
    assert "Runtime exited with error: exit status 3" in json.loads(result.payload)["errorMessage"]


def test_a_result_counts_although_a_thread_goes_on(functions: Functions) -> None:
    code = "import threading, time\ndef handle(event, context):\n"
    code += " threading.Thread(target=time.sleep, args=(60,)).start()\n return 7\n"
    result = functions.run(function(archive(code), timeout=60), "{}")
    assert (result.payload, result.error) == ("7", "")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"run_time": "nodejs22.x"}, "functions other than Python's"),
        ({"package_type": "Image", "run_time": None}, "functions other than Python's"),
        ({"layers": [{"Arn": "a"}]}, "functions with layers"),
    ],
)
def test_functions_that_cannot_run_are_refused(functions: Functions, more: dict[str, Any], message: str) -> None:
    with pytest.raises(NotImplementedError, match=message):
        functions.run(function(**more), "{}")


def test_code_that_is_no_archive_is_an_error(functions: Functions) -> None:
    with pytest.raises(AwsError, match="could not unzip the deployment package"):
        functions.run(function(b"no archive"), "{}")
