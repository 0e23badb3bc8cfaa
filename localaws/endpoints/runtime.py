"""InvokeEndpoint: forwards an invocation to a container and returns its response."""

import json
import logging
import time
import uuid
from typing import Any
from urllib.parse import unquote

import aiohttp

from localaws.alarms import Alarms
from localaws.call import Call
from localaws.endpoints.capture import Payload
from localaws.endpoints.container import TOKEN_HEADER
from localaws.endpoints.endpoints import Endpoints, Target
from localaws.endpoints.fleet import NoSuchVariantError
from localaws.endpoints.metrics import Served, record
from localaws.errors import AwsError
from localaws.front.asgi import Receive, Scope, Send, respond

# The limit of Body in the API's model (botocore's sagemaker-runtime, BodyBlob).
BODY_BYTES = 6291456
# "A customer's model containers must respond to requests within 60 seconds."
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
ANSWER_SECONDS = 60
# AWS strips all other headers; see that page.
PASSED_ON = ("content-type", "accept", "x-amzn-sagemaker-custom-attributes", "x-amzn-sagemaker-inference-id")
PASSED_BACK = ("content-type", "x-amzn-sagemaker-custom-attributes")
VARIANT = "x-amzn-sagemaker-target-variant"
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. "
    "Review the latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
NO_ANSWER = (
    "Amazon SageMaker could not get a response from the {} endpoint. This can occur when CPU or memory utilization "
    "is high. To check your utilization, see Amazon CloudWatch. To fix this problem, use an instance type with more "
    "CPU capacity or memory."
)
log = logging.getLogger(__name__)


class Runtime:
    """The SageMaker runtime's data plane."""

    def __init__(
        self, endpoints: Endpoints, account: str, alarms: Alarms, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._endpoints = endpoints
        self._alarms = alarms
        self._account = account
        self._answer_seconds = answer_seconds
        self._session: aiohttp.ClientSession

    @staticmethod
    def takes(call: Call) -> bool:
        """Return whether a request invokes an endpoint."""
        return call.service == "sagemaker" and call.path.startswith("/endpoints/")

    async def open(self) -> None:
        """Open the HTTP client. Call it in the event loop, before the first request."""
        # A container closes an idle connection after 75 s. Close it earlier, so that no request is lost.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)

    async def close(self) -> None:
        """Close the HTTP client. Call it after the last request."""
        await self._session.close()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Handle a request (ASGI)."""
        arrived = time.monotonic()
        call: Call = scope["localaws.call"]
        if call.operation != "InvokeEndpoint":
            raise NotImplementedError("only InvokeEndpoint is supported")
        if call.body is None or len(call.body) > BODY_BYTES:
            raise AwsError("RequestEntityTooLargeException", f"The request is larger than {BODY_BYTES} bytes.", 413)
        name = unquote(call.path.split("/")[2])
        call.resource = arn = f"arn:aws:sagemaker:{call.region}:{self._account}:endpoint/{name}"
        wanted = call.headers.get(VARIANT)
        try:
            with self._endpoints.invoking(arn, wanted) as target:
                await self._invoke(call, name, target, send, arrived)
        except LookupError:
            raise AwsError("ValidationError", f"Endpoint {name} of account {self._account} not found.") from None
        except NoSuchVariantError:
            message = f"Variant {wanted} of endpoint {name} of account {self._account} not found."
            raise AwsError("ValidationError", message) from None

    async def _invoke(self, call: Call, name: str, target: Target, send: Send, arrived: float) -> None:
        sent = {header: call.headers[header] for header in PASSED_ON if header in call.headers}
        sent[TOKEN_HEADER] = target.token
        began, status = time.monotonic(), 0
        try:
            async with self._session.post(
                f"http://127.0.0.1:{target.port}/invocations",
                data=call.body,
                headers=sent,
                timeout=aiohttp.ClientTimeout(total=self._answer_seconds, sock_connect=10),
            ) as answer:
                body = await answer.read()
                status = answer.status
        except TimeoutError:
            await self._model_error(call, name, send, 0, TIMED_OUT)
        except aiohttp.ClientError as error:
            log.warning("%s %s did not respond: %s", name, target.variant, error)
            await self._model_error(call, name, send, 0, NO_ANSWER.format(name))
        else:
            if answer.status >= 400:
                text = body.decode(errors="replace")
                await self._model_error(call, name, send, answer.status, text)
                return
            if target.origin and target.origin.settings.chosen():
                request = Payload(call.body or b"", call.headers.get("content-type", ""))
                response = Payload(body, answer.headers.get("content-type", ""))
                inference_id = call.headers.get("x-amzn-sagemaker-inference-id")
                self._endpoints.captured.add(target.origin, request, response, inference_id)
            headers = {header: answer.headers[header] for header in PASSED_BACK if header in answer.headers}
            headers["x-amzn-invoked-production-variant"] = target.variant
            headers["x-amzn-requestid"] = str(uuid.uuid4())
            await respond(send, 200, headers, body)
        finally:
            now = time.monotonic()
            served = Served(call.region, name, target.variant, target.config_name, target.instances)
            record(self._alarms, served, status, now - began, now - arrived)

    async def _model_error(self, call: Call, name: str, send: Send, status: int, message: str) -> None:
        """Send a ModelError, worded as in https://github.com/aws/amazon-sagemaker-examples/issues/407 and 2815."""
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
