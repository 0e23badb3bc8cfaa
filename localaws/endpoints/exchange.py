"""Sends one request to a container and reads its whole answer. Wakes a suspended container first."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from localaws.endpoints.container import TOKEN_HEADER
from localaws.endpoints.endpoints import Target

# "A customer's model containers must respond to requests within 60 seconds."
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
ANSWER_SECONDS = 60.0
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. "
    "Review the latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
NO_ANSWER = (
    "Amazon SageMaker could not get a response from the {} endpoint. This can occur when CPU or memory utilization "
    "is high. To check your utilization, see Amazon CloudWatch. To fix this problem, use an instance type with more "
    "CPU capacity or memory."
)
_POLL_SECONDS = 0.02
log = logging.getLogger(__name__)


class NotReadyError(Exception):
    """A suspended container did not become ready within the time of an invocation. It keeps starting."""


@dataclass(frozen=True)
class Answer:
    """What a container answered.

    Attributes:
        status: its HTTP status; 0 if it did not answer.
        problem: the message that the caller gets instead of the body if the status is 0.
        setup_seconds: how long a suspended container took to start; None if it was running.
    """

    status: int
    model_seconds: float
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    setup_seconds: float | None = None

    @property
    def message(self) -> str:
        """The text of an answer that is an error."""
        return self.problem or self.body.decode(errors="replace")


class Exchange:
    """The HTTP client of all containers."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession

    async def open(self) -> None:
        """Open the HTTP client. Call it in the event loop, before the first request."""
        # A container closes an idle connection after 75 s. Close it earlier, so that no request is lost.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)

    async def close(self) -> None:
        """Close the HTTP client. Call it after the last request."""
        await self._session.close()

    async def send(
        self, endpoint: str, target: Target, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer:
        """Send a request, and wait at most `seconds` for the answer.

        Raises:
            NotReadyError: the container is still starting.
        """
        container = target.container
        setup = await _wake(target, seconds) if target.serverless else None
        began = time.monotonic()
        try:
            async with self._session.post(
                f"http://127.0.0.1:{container.port}/invocations",
                data=body,
                headers={**headers, TOKEN_HEADER: container.token},
                timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=10),
            ) as answer:
                content = await answer.read()
                found = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.status, time.monotonic() - began, content, found, setup_seconds=setup)
        except TimeoutError:
            problem = TIMED_OUT
        except aiohttp.ClientError as error:
            log.warning("%s %s did not respond: %s", endpoint, target.variant, error)
            problem = NO_ANSWER.format(endpoint)
        return Answer(0, time.monotonic() - began, problem=problem, setup_seconds=setup)


async def _wake(target: Target, seconds: float) -> float | None:
    """Wait until a container that was suspended is ready. Return how long it took; None if it was running."""
    container = target.container
    if not (container.suspended or container.waking):
        return None
    began = time.monotonic()
    container.wake(target.startup_seconds)
    while container.waking:
        if time.monotonic() - began > seconds:
            raise NotReadyError
        await asyncio.sleep(_POLL_SECONDS)
    return time.monotonic() - began
