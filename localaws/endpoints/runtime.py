"""InvokeEndpoint: forwards an invocation to a container and returns its response."""

import asyncio
import json
import random
import time
import uuid
from typing import Any
from urllib.parse import unquote

from localaws.alarms import Alarms
from localaws.call import Call
from localaws.endpoints.async_queue import AsyncQueues
from localaws.endpoints.capture import Payload
from localaws.endpoints.endpoints import Endpoint, Endpoints, Target
from localaws.endpoints.exchange import ANSWER_SECONDS, Answer, Exchange, NotReadyError
from localaws.endpoints.fleet import NoCapacityError, NoSuchVariantError, ThrottledError
from localaws.endpoints.metrics import Served, Taken, record
from localaws.endpoints.shadow import mirrored
from localaws.errors import AwsError
from localaws.front.asgi import Receive, Scope, Send, respond

# The limit of Body in the API's model (botocore's sagemaker-runtime, BodyBlob).
BODY_BYTES = 6291456
# "Serverless Inference: 4 MB": https://docs.aws.amazon.com/sagemaker/latest/dg/deploy-model-options.html
SERVERLESS_BODY_BYTES = 4 << 20
# AWS strips all other headers:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
PASSED_ON = ("content-type", "accept", "x-amzn-sagemaker-custom-attributes", "x-amzn-sagemaker-inference-id")
PASSED_BACK = ("content-type", "x-amzn-sagemaker-custom-attributes")
VARIANT = "x-amzn-sagemaker-target-variant"


class Runtime:
    """The SageMaker runtime's data plane."""

    def __init__(
        self,
        endpoints: Endpoints,
        account: str,
        alarms: Alarms,
        queues: AsyncQueues,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._endpoints = endpoints
        self._alarms = alarms
        self._account = account
        self._answer_seconds = answer_seconds
        self._exchange = Exchange()
        self._queues = queues
        self._mirroring: set[asyncio.Task[None]] = set()

    @staticmethod
    def takes(call: Call) -> bool:
        """Return whether a request invokes an endpoint."""
        return call.service == "sagemaker" and call.path.startswith("/endpoints/")

    async def open(self) -> None:
        """Open the HTTP client. Call it in the event loop, before the first request."""
        await self._exchange.open()
        self._queues.open(self._exchange)

    async def close(self) -> None:
        """Close the HTTP client. Call it after the last request."""
        await self._queues.close()
        for task in list(self._mirroring):
            task.cancel()
        await self._exchange.close()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Handle a request (ASGI)."""
        arrived = time.monotonic()
        call: Call = scope["localaws.call"]
        if call.operation not in ("InvokeEndpoint", "InvokeEndpointAsync"):
            raise NotImplementedError("only InvokeEndpoint and InvokeEndpointAsync are supported")
        if call.body is None or len(call.body) > BODY_BYTES:
            raise _too_large(BODY_BYTES)
        name = unquote(call.path.split("/")[2])
        call.resource = arn = f"arn:aws:sagemaker:{call.region}:{self._account}:endpoint/{name}"
        endpoint = self._endpoints.find(arn)
        asynchronous = endpoint is not None and endpoint.asynchronous is not None
        if endpoint and endpoint.live and asynchronous != (call.operation == "InvokeEndpointAsync"):
            # AWS's wording is not documented.
            kind, use = ("", "InvokeEndpoint") if not asynchronous else ("n asynchronous", "InvokeEndpointAsync")
            raise AwsError("ValidationError", f"Endpoint {name} is a{kind or ' real-time'} endpoint. Use {use}.")
        if endpoint and asynchronous:
            await self._queue(call, endpoint, send)
            return
        wanted = call.headers.get(VARIANT)
        try:
            with self._endpoints.invoking(arn, wanted) as target:
                self._mirror(call, endpoint, target)
                await self._invoke(call, name, target, send, arrived)
        except LookupError:
            raise AwsError("ValidationError", f"Endpoint {name} of account {self._account} not found.") from None
        except NoSuchVariantError:
            message = f"Variant {wanted} of endpoint {name} of account {self._account} not found."
            raise AwsError("ValidationError", message) from None
        except NoCapacityError:
            message = f"Endpoint {name} of account {self._account} has no instance. Wait until it has scaled out."
            raise AwsError("ValidationError", message) from None
        except ThrottledError:
            # "If there are more concurrent requests than [MaxConcurrency], they are throttled". Code and status as in
            # https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html; AWS sends no message:
            # https://github.com/opensearch-project/ml-commons/issues/2429
            raise AwsError("ThrottlingException", "Rate exceeded") from None

    async def _queue(self, call: Call, endpoint: Endpoint, send: Send) -> None:
        """Queue an asynchronous request: 202 with the locations of its result."""
        request = self._queues.add(endpoint, call.headers, call.body or b"")
        headers = {
            "content-type": "application/json",
            "x-amzn-requestid": str(uuid.uuid4()),
            "x-amzn-sagemaker-outputlocation": request.output,
        }
        if request.failure:
            headers["x-amzn-sagemaker-failurelocation"] = request.failure
        await respond(send, 202, headers, json.dumps({"InferenceId": request.inference_id}).encode())

    async def _invoke(self, call: Call, name: str, target: Target, send: Send, arrived: float) -> None:
        if target.serverless and len(call.body or b"") > SERVERLESS_BODY_BYTES:
            raise _too_large(SERVERLESS_BODY_BYTES)
        sent = {header: call.headers[header] for header in PASSED_ON if header in call.headers}
        try:
            answer = await self._exchange.send(name, target, sent, call.body, self._answer_seconds)
        except NotReadyError:
            # The description of ModelNotReadyException in the API's model.
            message = "A serverless endpoint variant's resources are still being provisioned. Wait and try again."
            raise AwsError("ModelNotReadyException", message, 429) from None
        try:
            if not 200 <= answer.status < 400:
                await self._model_error(call, name, send, answer)
                return
            self._capture(call, target, answer)
            headers = {header: answer.headers[header] for header in PASSED_BACK if header in answer.headers}
            headers["x-amzn-invoked-production-variant"] = target.variant
            headers["x-amzn-requestid"] = str(uuid.uuid4())
            await respond(send, 200, headers, answer.body)
        finally:
            self._record(call, name, target, answer, time.monotonic() - arrived)

    def _mirror(self, call: Call, endpoint: Endpoint | None, target: Target) -> None:
        """Send a copy of some requests to the shadow variant. Does not wait for its answer."""
        live = endpoint.live if endpoint else None
        if endpoint is None or live is None or target.config_name != live.config_name:
            return
        shadow, share = mirrored(live)
        if shadow is None or random.random() >= share:  # noqa: S311
            return
        task = asyncio.create_task(self._invoke_shadow(call, endpoint, shadow.name))
        self._mirroring.add(task)
        task.add_done_callback(self._mirroring.discard)

    async def _invoke_shadow(self, call: Call, endpoint: Endpoint, shadow: str) -> None:
        arrived = time.monotonic()
        sent = {header: call.headers[header] for header in PASSED_ON if header in call.headers}
        try:
            with self._endpoints.invoking(endpoint.record.arn, shadow, shadow=True) as target:
                answer = await self._exchange.send(endpoint.name, target, sent, call.body, self._answer_seconds)
                if 200 <= answer.status < 400:
                    self._capture(call, target, answer)
                self._record(call, endpoint.name, target, answer, time.monotonic() - arrived)
        except (LookupError, NoSuchVariantError, NoCapacityError):
            return  # The endpoint is being updated or deleted.

    def _capture(self, call: Call, target: Target, answer: Answer) -> None:
        request = Payload(call.body or b"", call.headers.get("content-type", ""))
        response = Payload(answer.body, answer.headers.get("content-type", ""))
        inference_id = call.headers.get("x-amzn-sagemaker-inference-id")
        self._endpoints.captured.add(target.origin, request, response, inference_id)

    def _record(self, call: Call, name: str, target: Target, answer: Answer, total_seconds: float) -> None:
        served = Served(call.region, name, target.variant, target.config_name, target.instances, target.serverless)
        record(self._alarms, served, answer.status, Taken(answer.model_seconds, total_seconds, answer.setup_seconds))

    async def _model_error(self, call: Call, name: str, send: Send, answer: Answer) -> None:
        """Send a ModelError, worded as in https://github.com/aws/amazon-sagemaker-examples/issues/407 and 2815."""
        status, message = answer.status, answer.message
        group = f"/aws/sagemaker/Endpoints/{name}"
        console = f"https://{call.region}.console.aws.amazon.com/cloudwatch/home?region={call.region}"
        whose = "client" if 400 <= status < 500 else "server"
        content: dict[str, Any] = {
            "Message": f'Received {whose} error ({status}) from primary with message "{message}". '
            f"See {console}#logEventViewer:group={group} in account {self._account} for more information.",
            "OriginalMessage": message,
            "OriginalStatusCode": status,
            "LogStreamArn": f"arn:aws:logs:{call.region}:{self._account}:log-group:{group}",
        }
        headers = {
            "content-type": "application/json",
            "x-amzn-errortype": "ModelError",
            "x-amzn-requestid": str(uuid.uuid4()),
        }
        await respond(send, 424, headers, json.dumps(content).encode())


def _too_large(most: int) -> AwsError:
    return AwsError("RequestEntityTooLargeException", f"The request is larger than {most} bytes.", 413)
