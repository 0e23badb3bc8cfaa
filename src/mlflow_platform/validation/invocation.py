"""Invokes an endpoint with requests, by one client or by several at once, and times each request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PlatformError, PreconditionError, error_code, error_message
from mlflow_platform.endpoints.container_message import container_message
from mlflow_platform.validation import predictions
from mlflow_platform.validation.predictions import Predictions
from mlflow_platform.validation.requests import Request

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

Seconds = Callable[[], float]


@dataclass(frozen=True)
class Load:
    """How requests are sent: by `clients` at once; at least `requests` in all, for which rows are sent again."""

    clients: int = 1
    requests: int = 0


@dataclass(frozen=True)
class Answers:
    """What an endpoint answered.

    Attributes:
        predictions: one per row, in the rows' order.
        durations: of each request, in seconds, in the order in which they were sent; empty if they were not timed.
        elapsed: from the first request to the last answer, in seconds.
        clients: how many clients sent requests at once.
    """

    predictions: Predictions
    durations: Sequence[float]
    elapsed: float
    clients: int = 1


def ask(
    runtime: SageMakerRuntimeClient,
    endpoint: str,
    requests: Sequence[Request],
    *,
    load: Load,
    seconds: Seconds,
    variant: str | None = None,
) -> Answers:
    """Have an endpoint predict rows.

    Args:
        variant: the only variant that is to answer; None: any, which SageMaker chooses for each request by the weights
            (developer guide, "Testing models with production variants").

    Raises:
        InputError: the container refuses the rows, as when a column is missing.
        PlatformError: it fails on them, or answers with something else than a prediction per row.
        PreconditionError: there is no such endpoint, or it does not serve.
    """

    def send(request: Request) -> tuple[list[Any], float]:
        began = seconds()
        answer = _invoke(runtime, endpoint, request.body, variant)
        took = seconds() - began
        return predictions.parse(answer, endpoint, expected=len(request.rows)), took

    again = max(0, load.requests - len(requests))
    everything = [*requests, *(requests[number % len(requests)] for number in range(again))]
    began = seconds()
    done = [send(request) for request in everything] if load.clients == 1 else _at_once(send, everything, load.clients)
    elapsed = seconds() - began
    values: list[Any] = [None] * sum(len(request.rows) for request in requests)
    for request, (found, _) in zip(requests, done, strict=False):
        for number, value in zip(request.rows, found, strict=True):
            values[number] = value
    durations = [took for _, took in done]
    return Answers(predictions.interpret(values, endpoint), durations, elapsed, load.clients)


def _at_once(
    send: Callable[[Request], tuple[list[Any], float]], requests: Sequence[Request], clients: int
) -> list[tuple[list[Any], float]]:
    # The first failure ends it: the other requests would only repeat it.
    ended = Event()

    def send_unless_ended(request: Request) -> tuple[list[Any], float]:
        if ended.is_set():
            # It is never shown: requests start in their order, so the one that failed comes before this one.
            raise CancelledError
        try:
            return send(request)
        except BaseException:
            ended.set()
            raise

    with ThreadPoolExecutor(clients, thread_name_prefix="client") as pool:
        futures = [pool.submit(send_unless_ended, request) for request in requests]
        try:
            return [future.result() for future in futures]
        finally:
            ended.set()  # Also after Ctrl-C, which no request sees.


def _invoke(runtime: SageMakerRuntimeClient, endpoint: str, body: str, variant: str | None) -> bytes:
    target: Any = {"TargetVariant": variant} if variant else {}
    try:
        answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=body, **target)
        return answer["Body"].read()
    except runtime.exceptions.ModelError as error:
        response: dict[str, Any] = dict(error.response)
        status = int(response.get("OriginalStatusCode", 0))
        reason = container_message(str(response.get("OriginalMessage", "")))
        if 400 <= status < 500:
            raise InputError(f"the model refuses the rows: {reason}") from None
        raise PlatformError(f"the model fails on the rows (HTTP {status}): {reason}") from None
    except runtime.exceptions.ClientError as error:
        if error_code(error) == "ValidationError" and "not found" in error_message(error).lower():
            raise PreconditionError(f"there is no endpoint {endpoint} that serves") from None
        raise
