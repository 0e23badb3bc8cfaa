"""The queue of an asynchronous endpoint, with an endpoint and clients that are not real."""

import asyncio
import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch

from localaws.endpoints.async_config import AsyncRequest
from localaws.endpoints.async_queue import AsyncQueue, AsyncQueues
from localaws.endpoints.async_results import Invocation
from localaws.endpoints.fleet import NoCapacityError

TOPIC = "arn:aws:sns:us-east-1:123456789012:failed"
INPUT = {"x-amzn-sagemaker-inputlocation": "s3://inputs/rows"}
CONFIG: dict[str, Any] = {
    "OutputConfig": {
        "S3OutputPath": "s3://results/out",
        "S3FailurePath": "s3://results/failed",
        "NotificationConfig": {"ErrorTopic": TOPIC},
    }
}


class World:
    """An endpoint without instances, and the clients of its role."""

    def __init__(self, capacity: int = 0) -> None:
        self.clients = Mock()
        live = SimpleNamespace(variants=[SimpleNamespace(role="role")])
        record = SimpleNamespace(arn="arn", endpoint_status="InService")
        self.endpoint: Any = SimpleNamespace(
            capacity=capacity, asynchronous=CONFIG, live=live, name="slow", region="us-east-1", record=record
        )
        endpoints: Any = SimpleNamespace(find=lambda _arn: self.endpoint, invoking=self._invoking, all=list)
        self.endpoints = endpoints
        self.alarms = Mock()
        self.queue = AsyncQueue("arn", endpoints, Mock(), self.alarms, lambda _region, _role: self.clients)

    def _invoking(self, _arn: str, _variant: None) -> Any:
        raise NoCapacityError

    def add(self, *, age: float = 0.0) -> AsyncRequest:
        headers = {"x-amzn-sagemaker-inputlocation": "s3://inputs/rows", "x-amzn-sagemaker-requestttlseconds": "60"}
        request = AsyncRequest.read(headers, b"", CONFIG)
        invocation = Invocation("slow", "us-east-1", request, CONFIG)
        self.queue.add(replace(invocation, received=datetime.now(UTC) - timedelta(seconds=age)))
        return request

    def metrics(self) -> dict[str, float]:
        self.queue.measure(self.endpoint)
        recorded: dict[str, float] = self.alarms.record.call_args.args[3]
        return recorded


def test_an_expired_request_fails_with_a_message_and_an_object() -> None:
    world = World()

    async def run() -> AsyncRequest:
        request = world.add(age=61)
        while not world.clients.sns.publish.called:
            await asyncio.sleep(0.01)
        await world.queue.close()
        return request

    request = asyncio.run(asyncio.wait_for(run(), 60))
    written = world.clients.s3.put_object.call_args.kwargs
    assert f"s3://{written['Bucket']}/{written['Key']}" == request.failure
    message = json.loads(world.clients.sns.publish.call_args.kwargs["Message"])
    assert (message["invocationStatus"], message["eventName"]) == ("Failed", "InferenceResult")
    assert "expired" in message["failureReason"]
    assert message["requestParameters"] == {"endpointName": "slow", "inputLocation": "s3://inputs/rows"}


def test_requests_wait_while_there_is_no_instance() -> None:
    world = World()

    async def run() -> None:
        world.add()
        world.add()
        await asyncio.sleep(0.12)
        found = world.metrics()
        assert (found["ApproximateBacklogSize"], found["HasBacklogWithoutCapacity"]) == (2.0, 1.0)
        assert "ApproximateBacklogSizePerInstance" not in found
        # The instance is gone again before the request reaches it: the request goes back to the queue.
        world.endpoint.capacity = 1
        await asyncio.sleep(0.12)
        found = world.metrics()
        assert (found["ApproximateBacklogSize"], found["HasBacklogWithoutCapacity"]) == (2.0, 0.0)
        assert found["ApproximateBacklogSizePerInstance"] == 2.0
        await world.queue.close()

    asyncio.run(asyncio.wait_for(run(), 60))
    assert not world.clients.s3.put_object.called


def test_the_queue_of_a_deleted_endpoint_is_emptied() -> None:
    world = World()

    async def run() -> int:
        world.add()
        world.endpoint = None
        while world.queue.backlog:
            await asyncio.sleep(0.01)
        backlog = world.queue.backlog
        await world.queue.close()
        return backlog

    assert asyncio.run(asyncio.wait_for(run(), 60)) == 0


def test_requests_survive_a_stop_of_localaws_and_wait_until_their_endpoint_is_back() -> None:
    before, after = World(), World()
    running = asyncio.Event()

    def queues(world: World) -> AsyncQueues:
        return AsyncQueues(world.endpoints, world.alarms, lambda _region, _role: world.clients, 3600)

    async def stopped() -> list[dict[str, Any]]:
        first = queues(before)
        first.open(Mock())
        before.endpoint.capacity = 1
        before.endpoint.asynchronous = CONFIG | {"ClientConfig": {"MaxConcurrentInvocationsPerInstance": 1}}
        before.endpoints.invoking = lambda *_: nullcontext(SimpleNamespace(role="role"))
        with patch.object(AsyncQueue, "_invoke", lambda *_: _wait(running)):
            first.add(before.endpoint, {"x-amzn-sagemaker-inference-id": "a"} | INPUT, b"")
            first.add(before.endpoint, {"x-amzn-sagemaker-inference-id": "b"}, b"rows")
            await running.wait()
            await first.close()
        return first.saved()

    saved = json.loads(json.dumps(asyncio.run(asyncio.wait_for(stopped(), 60))))

    async def resumed() -> list[str]:
        second = queues(after)
        second.load(saved)
        after.endpoint.live = None
        second.open(Mock())
        await asyncio.sleep(0.12)
        after.endpoint.live = SimpleNamespace(variants=[SimpleNamespace(role="role")])
        after.endpoint.capacity = 1
        done: list[Invocation] = []
        after.endpoints.invoking = lambda *_: nullcontext(SimpleNamespace(role="role"))

        async def invoke(_queue: AsyncQueue, invocation: Invocation, *_: Any) -> None:
            done.append(invocation)

        with patch.object(AsyncQueue, "_invoke", invoke):
            while len(done) < 2:
                await asyncio.sleep(0.01)
            await second.close()
        assert second.saved() == []
        assert {one.request.inference_id: one.request.body for one in done} == {"a": b"", "b": b"rows"}
        return [one.request.location for one in done]

    assert set(asyncio.run(asyncio.wait_for(resumed(), 60))) == {"s3://inputs/rows", ""}


async def _wait(running: asyncio.Event) -> None:
    running.set()
    await asyncio.sleep(3600)
