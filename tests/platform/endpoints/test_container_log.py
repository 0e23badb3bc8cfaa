"""The end of a container's log, and the line in it that gives the reason of a failure."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from mlflow_platform.endpoints import container_log
from tests.platform.endpoints.fleet import error

GROUP = "/aws/sagemaker/Endpoints/e"


@pytest.fixture
def logs(aws: Callable[[str], Any]) -> Any:
    client = aws("logs")
    client.create_log_group(logGroupName=GROUP)
    return client


def write(logs: Any, stream: str, lines: list[str]) -> None:
    logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": line} for number, line in enumerate(lines)]
    logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def test_shows_the_last_lines_of_the_new_containers(logs: Any) -> None:
    write(logs, "AllTraffic/i-old", ["old"])
    write(logs, "AllTraffic/i-new", [f"line {number}" for number in range(50)])
    lines = container_log.tail(logs, "e", except_for={"AllTraffic/i-old"})
    assert lines == [f"line {number}" for number in range(30, 50)]


def test_shows_nothing_without_a_new_container(logs: Any) -> None:
    write(logs, "AllTraffic/i-old", ["old"])
    assert container_log.tail(logs, "e", except_for={"AllTraffic/i-old"}) == []
    assert container_log.tail(logs, "never-deployed", except_for=()) == []


def test_denied_access_to_the_log_is_reported_but_not_an_error(logs: Any) -> None:
    write(logs, "AllTraffic/i-old", ["old"])
    denied = error("AccessDeniedException", "no")
    logs.meta.events.register_first("before-call.cloudwatch-logs.DescribeLogStreams", lambda **_: denied)
    assert container_log.streams(logs, "e") == set()
    (line,) = container_log.tail(logs, "e", except_for=())
    assert "may not read the log group" in line


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            ["Traceback", "ModuleNotFoundError: No module named 'xgboost'"],
            "ModuleNotFoundError: No module named 'xgboost'",
        ),
        (["2026/11/21 ERROR mlflow: mlflow.exceptions.MlflowException: bad", "bye"], "MlflowException: bad"),
        (["ValueError: first", "OSError: last"], "OSError: last"),
        (["ValueError: x", "serve: The model needs 'xgboost'.", "exit"], "The model needs 'xgboost'"),
        (["serve: the model in /opt/ml/model is loaded; listening on 0.0.0.0:8080."], None),
        (["OSError: why", "serve: requests are predicted one by one: it has no signature."], "OSError: why"),
        (["all is well"], None),
        # A hostile model's lines: a search that begins at each character takes minutes for them.
        (["a" * 200_000], None),
        (["a." * 100_000], None),
        (["Error" * 40_000, "x.Error" * 40_000 + ": why"], "Error: why"),
        ([], None),
    ],
)
def test_finds_the_line_that_gives_the_reason(lines: list[str], why: str | None) -> None:
    assert container_log.cause(lines) == why
