"""Calls of one service of moto run one after the other; the others run beside each other."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from localaws.call import Call, current_call
from localaws.moto_application import OneAtATime, without_aliases
from localaws.turns import lets_others_go_first


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
        (("lambda:Invoke", "lambda:Invoke"), True),
        (("lambda:Invoke", "lambda"), True),
    ],
)
def test_calls_run_in_parallel_except_to_one_locked_service(services: tuple[str, str], together: bool) -> None:
    meeting = Meeting(60 if together else 0.2)
    application = OneAtATime(meeting, lambda _: None)

    def call(action: str) -> None:
        service, _, operation = action.partition(":")
        current_call.set(Call("POST", "/", "/", "", {}, None, service=service, operation=operation))
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


def test_a_call_that_waits_lets_another_one_in() -> None:
    sent = threading.Event()
    waits = lets_others_go_first(sent.wait)

    def receive_or_send(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "receive":
            return [b"message" if waits(60) else b"nothing"]
        sent.set()
        return [b""]

    application = OneAtATime(receive_or_send, lambda _: None)

    def call(path: str) -> Iterable[bytes]:
        current_call.set(Call("POST", "/", "/", "", {}, None, service="sqs"))
        return application({"PATH_INFO": path}, lambda *_: None)

    with ThreadPoolExecutor(2) as threads:
        received = threads.submit(call, "receive")
        threads.submit(call, "send").result()
        assert received.result() == [b"message"]


def test_moto_gets_no_header_that_the_guard_knows_under_another_name() -> None:
    """WSGI would make `x-amz-copy-source` of `x_amz_copy_source`, and moto would copy an object that nobody checked."""
    headers = [(b"x_amz_copy-source", b"other/secret"), (b"x-amz-date", b"now"), (b"x-amz-meta-my_key", b"mine")]
    assert without_aliases({"headers": headers, "method": "PUT"}) == {"headers": headers[1:], "method": "PUT"}
