"""Calls of one service of moto run one after the other; the others run beside each other."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from localaws.call import Call, current_call
from localaws.moto_application import OneAtATime


class Meeting:
    """A WSGI application that tells whether two calls were in it at the same time."""

    def __init__(self, seconds: float) -> None:
        self._both = threading.Barrier(2)
        self._seconds = seconds
        self.met = False

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:  # noqa: ARG002
        try:
            self._both.wait(self._seconds)
            self.met = True
        except threading.BrokenBarrierError:
            self._both.reset()
        return [b""]


@pytest.mark.parametrize(
    ("services", "together"),
    [
        (("ssm", "ssm"), False),
        (("iam", "iam"), False),
        (("ssm", "iam"), True),
        (("s3", "s3"), True),
        (("sns", "sns"), True),
    ],
)
def test_calls_run_in_parallel_except_to_one_locked_service(services: tuple[str, str], together: bool) -> None:
    meeting = Meeting(60 if together else 0.2)
    application = OneAtATime(meeting, lambda _: None)

    def call(service: str) -> None:
        current_call.set(Call("POST", "/", "/", "", {}, None, service=service))
        assert application({}, lambda *_: None) == [b""]

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(call, services))
    assert meeting.met is together


def test_a_call_that_fails_lets_the_next_one_in() -> None:
    def fail(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise RuntimeError("dictionary changed size during iteration")

    current_call.set(Call("POST", "/", "/", "", {}, None, service="ssm"))
    application = OneAtATime(fail, lambda _: None)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            application({}, lambda *_: None)
