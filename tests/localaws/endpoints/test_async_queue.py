"""The queue of an asynchronous endpoint, with an endpoint and clients that are not real."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from localaws.endpoints.async_config import AsyncRequest
from localaws.endpoints.async_queue import AsyncQueue
from localaws.endpoints.async_results import Invocation
from localaws.endpoints.fleet import NoCapacityError

TOPIC = "arn:aws:sns:us-east-1:123456789012:failed"
CONFIG = {
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
        endpoint = SimpleNamespace(capacity=capacity, asynchronous=CONFIG, live=live, name="slow", region="us-east-1")
        self.endpoint: Any = endpoint
        endpoints: Any = SimpleNamespace(find=lambda _arn: self.endpoint, invoking=self._invoking)
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

    request = asyncio.run(asyncio.wait_for(run(), 5))
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

    asyncio.run(asyncio.wait_for(run(), 5))
    assert not world.clients.s3.put_object.called


def test_the_queue_of_a_deleted_endpoint_is_emptied() -> None:
    world = World()

    async def run() -> int:
        world.add()
        world.endpoint = None
        await asyncio.sleep(0.12)
        backlog = world.queue.backlog
        await world.queue.close()
        return backlog

    assert asyncio.run(asyncio.wait_for(run(), 5)) == 0
