"""The queue of an asynchronous endpoint: requests wait for a free instance, then run, and leave their result in S3.

Metrics: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html. Requests that wait or run when
localaws stops are saved, and run when it has started again.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localaws.alarms import Alarms
from localaws.call import Headers
from localaws.endpoints.async_config import AsyncRequest, concurrent_invocations
from localaws.endpoints.async_results import InputError, Invocation, fail, read_input, succeed
from localaws.endpoints.capture import Payload
from localaws.endpoints.endpoints import Endpoint, Endpoints, Target
from localaws.endpoints.exchange import Answer, Exchange
from localaws.endpoints.fleet import NoCapacityError, NoSuchVariantError
from localaws.endpoints.metrics import NAMESPACE, Served, Taken, record
from localaws.endpoints.reasons import DeploymentError
from localaws.endpoints.role import RoleClients

_POLL_SECONDS = 0.05
log = logging.getLogger(__name__)
# The clients of an execution role in a region.
Assume = Callable[[str, str], RoleClients]


class AsyncQueue:
    """The waiting and running requests of one endpoint. Its methods run in the event loop."""

    def __init__(self, arn: str, endpoints: Endpoints, exchange: Exchange, alarms: Alarms, assume: Assume) -> None:
        self._arn = arn
        self._endpoints = endpoints
        self._exchange = exchange
        self._alarms = alarms
        self._assume = assume
        self._waiting: deque[Invocation] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._dispatcher: asyncio.Task[None] | None = None

    def add(self, invocation: Invocation) -> None:
        """Queue a request."""
        self._waiting.append(invocation)
        self.resume()

    @property
    def backlog(self) -> int:
        """How many requests wait or run: "items in the queue that are being processed or yet to be processed"."""
        return len(self._waiting) + len(self._running)

    def measure(self, endpoint: Endpoint) -> None:
        """Record the metrics of the queue. They exist as long as the endpoint does, even when nothing waits."""
        capacity = endpoint.capacity
        values = {
            "ApproximateBacklogSize": float(self.backlog),
            "HasBacklogWithoutCapacity": float(bool(self._waiting) and capacity == 0),
        }
        if capacity:
            values["ApproximateBacklogSizePerInstance"] = self.backlog / capacity
        if self._waiting:
            values["ApproximateAgeOfOldestRequest"] = time.time() - self._waiting[0].received.timestamp()
        self._alarms.record(endpoint.region, NAMESPACE, {"EndpointName": endpoint.name}, values)

    @property
    def waiting(self) -> list[Invocation]:
        """The requests that wait; after `close` also those that ran."""
        return list(self._waiting)

    def load(self, invocations: list[Invocation]) -> None:
        """Queue saved requests, without starting anything; see `resume`."""
        self._waiting.extend(invocations)

    def resume(self) -> None:
        """Begin to process requests. Call it in the event loop."""
        if self._dispatcher is None or self._dispatcher.done():
            self._dispatcher = asyncio.create_task(self._dispatch())

    async def close(self) -> None:
        """End the dispatcher. Requests that run go back to the queue."""
        tasks = [*self._running, *([self._dispatcher] if self._dispatcher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _dispatch(self) -> None:
        # A running request may come back to the queue.
        while self._waiting or self._running:
            endpoint = self._endpoints.find(self._arn)
            if endpoint is None or endpoint.record.endpoint_status == "Deleting":
                log.warning("%s was deleted: %d waiting requests are lost.", self._arn, len(self._waiting))
                self._waiting.clear()
                return
            if endpoint.live is None:  # Its containers start again.
                await asyncio.sleep(_POLL_SECONDS)
                continue
            await self._drop_expired(endpoint.live.variants[0].role)
            slots = endpoint.capacity * concurrent_invocations(endpoint.asynchronous or {})
            while self._waiting and len(self._running) < slots:
                task = asyncio.create_task(self._run(self._waiting.popleft()))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            await asyncio.sleep(_POLL_SECONDS)

    async def _drop_expired(self, role: str) -> None:
        now = time.time()
        for invocation in [one for one in self._waiting if now - one.received.timestamp() > one.request.ttl_seconds]:
            self._waiting.remove(invocation)
            try:
                clients = await asyncio.to_thread(self._assume, invocation.region, role)
            except DeploymentError as error:
                log.warning("%s: the expired request %s: %s", self._arn, invocation.request.inference_id, error)
                continue
            reason = "ClientError: The request expired in the queue: RequestTTLSeconds is over."
            await self._end(partial(fail, invocation, reason, None, clients), invocation, {"ExpiredRequests": 1.0})

    async def _run(self, invocation: Invocation) -> None:
        try:
            with self._endpoints.invoking(self._arn, None) as target:
                clients = await asyncio.to_thread(self._assume, invocation.region, target.role)
                await self._invoke(invocation, target, clients)
        except asyncio.CancelledError:  # localaws stops.
            self._waiting.appendleft(invocation)
            raise
        except NoCapacityError:  # The last instance was removed at this moment.
            self._waiting.appendleft(invocation)
        except (LookupError, NoSuchVariantError, DeploymentError) as error:
            log.warning("%s: the request %s is lost: %s", self._arn, invocation.request.inference_id, error)
        except Exception:  # Nothing awaits this task: without a log line, the request would vanish silently.
            log.exception("%s: the request %s is lost.", self._arn, invocation.request.inference_id)

    async def _invoke(self, invocation: Invocation, target: Target, clients: RoleClients) -> None:
        began = time.monotonic()
        waited = time.time() - invocation.received.timestamp()
        try:
            body = await asyncio.to_thread(read_input, invocation, clients)
        except (ClientError, BotoCoreError, InputError) as error:
            reason = str(error) if isinstance(error, InputError) else _unreadable(invocation)
            await self._end(partial(fail, invocation, reason, None, clients), invocation, {"InvocationFailures": 1.0})
            return
        request = invocation.request
        downloaded = time.monotonic()
        answer = await self._exchange.send(
            invocation.endpoint, target, request.sent(), body, float(request.timeout_seconds)
        )
        served = Served(invocation.region, invocation.endpoint, target.variant, target.config_name, target.instances)
        taken = Taken(answer.model_seconds, time.monotonic() - began)
        record(self._alarms, served, answer.status, taken)
        values = {
            "TimeInBacklog": waited * 1e6,
            "TimeToDownload": (downloaded - began) * 1e6,
            "TotalProcessingTime": (time.time() - invocation.received.timestamp()) * 1e6,
            "InvocationsProcessed": 1.0,
        }
        if 200 <= answer.status < 400:
            response = Payload(answer.body, answer.headers.get("content-type", ""))
            sent = Payload(body, request.content_type)
            self._endpoints.captured.add(target.origin, sent, response, request.inference_id)
            await self._end(partial(succeed, invocation, answer, clients), invocation, values)
        else:
            values["InvocationFailures"] = 1.0
            await self._end(partial(fail, invocation, _failure(answer), answer, clients), invocation, values)

    async def _end(self, work: Callable[[], None], invocation: Invocation, values: dict[str, float]) -> None:
        self._alarms.record(invocation.region, NAMESPACE, {"EndpointName": invocation.endpoint}, values)
        try:
            await asyncio.to_thread(work)
        except (ClientError, BotoCoreError) as error:
            log.warning("%s: the result of %s: %s", self._arn, invocation.request.inference_id, error)


class AsyncQueues:
    """The queues of all endpoints.

    Args:
        minute: how often the metrics of a queue are recorded, in seconds.
    """

    def __init__(self, endpoints: Endpoints, alarms: Alarms, assume: Assume, minute: float) -> None:
        self._endpoints = endpoints
        self._alarms = alarms
        self._assume = assume
        self._minute = minute
        self._exchange: Exchange
        self._queues: dict[str, AsyncQueue] = {}
        self._measuring: asyncio.Task[None] | None = None
        self._loaded: list[tuple[str, Invocation]] = []

    def saved(self) -> list[dict[str, Any]]:
        """Return all requests as JSON for `load`. Call it after `close`."""
        return [
            {"arn": arn, "request": one.saved()} for arn, queue in list(self._queues.items()) for one in queue.waiting
        ]

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Load the requests of a saved state. They run after `open`, once their endpoints are in service."""
        self._loaded = [(one["arn"], Invocation.load(one["request"])) for one in saved]

    def open(self, exchange: Exchange) -> None:
        """Begin to process loaded requests, and to record metrics. Call it in the event loop."""
        self._exchange = exchange
        for arn, invocation in self._loaded:
            endpoint = self._endpoints.find(arn)
            if endpoint is None:
                log.warning("%s does not exist: the request %s is lost.", arn, invocation.request.inference_id)
            else:
                self._queue(endpoint).load([invocation])
        self._loaded.clear()
        for queue in self._queues.values():
            queue.resume()
        self._measuring = asyncio.create_task(self._measure())

    def add(self, endpoint: Endpoint, headers: Headers, body: bytes) -> AsyncRequest:
        """Queue a request.

        Raises:
            AwsError: ValidationError.
        """
        config = endpoint.asynchronous or {}
        request = AsyncRequest.read(headers, body, config)
        self._queue(endpoint).add(Invocation(endpoint.name, endpoint.region, request, config))
        return request

    async def close(self) -> None:
        """End everything."""
        if self._measuring:
            self._measuring.cancel()
        for queue in self._queues.values():
            await queue.close()

    def _queue(self, endpoint: Endpoint) -> AsyncQueue:
        arn = endpoint.record.arn
        if arn not in self._queues:
            self._queues[arn] = AsyncQueue(arn, self._endpoints, self._exchange, self._alarms, self._assume)
        return self._queues[arn]

    async def _measure(self) -> None:
        while True:
            for endpoint in self._endpoints.all():
                if endpoint.asynchronous is not None:
                    self._queue(endpoint).measure(endpoint)
            await asyncio.sleep(self._minute)


def _failure(answer: Answer) -> str:
    """The failureReason that AWS sends for an error of the container."""
    if answer.status == 0:
        return f"ClientError: {answer.problem}"
    whose = "client" if answer.status < 500 else "server"
    return (
        f"ClientError: Received {whose} error ({answer.status}) from model. "
        "See the SageMaker Endpoint logs in your account for more information."
    )


def _unreadable(invocation: Invocation) -> str:
    return (
        f"ClientError: Unable to download the input from {invocation.request.location}. Check that the object exists "
        "and that the execution role may read it."
    )
