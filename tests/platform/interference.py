"""Faults in one call of a sequence: a response that is lost, a call that is repeated, refused, or never arrives."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from mlflow_common.errors import explain

Call = Callable[[], Any]


def repeated(call: Call) -> Any:
    """The response is lost, and the SDK repeats the call."""
    with suppress(ClientError):
        call()
    try:
        return call()
    except ClientError as error:
        error.response["ResponseMetadata"]["RetryAttempts"] = 1
        raise


def lost(call: Call) -> Any:
    """The responses of the call and of all the SDK's retries are lost."""
    with suppress(ClientError):
        call()
    raise ReadTimeoutError(endpoint_url="https://api.sagemaker.us-east-1.amazonaws.com")


def unreachable(_: Call) -> Any:
    """The request never arrives."""
    raise EndpointConnectionError(endpoint_url="https://api.sagemaker.us-east-1.amazonaws.com")


def failed(_: Call) -> Any:
    """AWS returns an internal error and does nothing."""
    answer: Any = {"Error": {"Code": "InternalFailure", "Message": "x"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    raise ClientError(answer, "Operation")


def killed(_: Call) -> Any:
    """The process is killed before the call. `Interference` lets no later call through, not even to clean up."""
    raise KeyboardInterrupt


def is_affected(operation: str, how: Callable[[Call], Any]) -> bool:
    """Whether a fault can leave something behind or missing: repeating a read, or losing its response, cannot.

    `lost` and `unreachable` are the same for a read. Killing between two reads leaves the same.
    """
    return how not in (repeated, lost, killed) or not operation.startswith(("Describe", "Get", "Head", "List"))


class Interference:
    """Interferes with one of the affected calls of all clients, counted from 0."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0
        self.target: int | None = None
        self.how: Callable[[Call], Any] = repeated
        self.struck = ""
        self.spared: frozenset[str] = frozenset()
        original: Any = BaseClient._make_api_call  # type: ignore[attr-defined]

        def call(client: BaseClient, operation: str, params: dict[str, Any]) -> Any:
            if self.how is killed and self.struck:
                raise KeyboardInterrupt
            if operation in self.spared or not is_affected(operation, self.how):
                return original(client, operation, params)
            number, self.number = self.number, self.number + 1
            if number != self.target:
                return original(client, operation, params)
            self.struck = operation
            return self.how(lambda: original(client, operation, params))

        monkeypatch.setattr(BaseClient, "_make_api_call", call)

    def arm(self, target: int | None, how: Callable[[Call], Any] = repeated) -> None:
        """Interfere with call number `target` from now on; with none if None."""
        self.number, self.target, self.how, self.struck = 0, target, how, ""


def attempt(work: Callable[[], object], interference: Interference, how: Callable[[Call], Any]) -> None:
    """Do something that may fail in a way that is explained; a repeated call must not fail."""
    failure = None
    try:
        work()
    except KeyboardInterrupt:
        assert how is killed
        return
    except Exception as error:
        failure = error
    assert failure is None or explain(failure) is not None, f"{interference.struck}: {failure!r}"
    assert failure is None or how is not repeated, f"{interference.struck}: {failure}"
