"""The results of asynchronous invocations: objects in S3 and messages to SNS topics.

The messages are those of https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html.
Everything is done with the execution role, which therefore needs s3:GetObject, s3:PutObject and sns:Publish.
"""

import base64
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from localaws.endpoints.async_config import MOST_BYTES, AsyncRequest
from localaws.endpoints.exchange import Answer
from localaws.endpoints.model_data import split_s3_url
from localaws.endpoints.role import RoleClients

# "The inference response is included only if the response size is less than or equal to 128 KB."
INCLUDED_BYTES = 128 << 10


class InputError(Exception):
    """The input cannot be sent to the container. The message is the failureReason."""


@dataclass(frozen=True)
class Invocation:
    """A request in the queue of an endpoint."""

    endpoint: str
    region: str
    request: AsyncRequest
    config: dict[str, Any]
    received: datetime = field(default_factory=lambda: datetime.now(UTC))

    def saved(self) -> dict[str, Any]:
        """Return it as JSON for `load`."""
        request = {**asdict(self.request), "body": base64.b64encode(self.request.body).decode()}
        return {**asdict(self), "request": request, "received": self.received.isoformat()}

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Self:
        """Create it from JSON."""
        request = {**saved["request"], "body": base64.b64decode(saved["request"]["body"])}
        received = datetime.fromisoformat(saved["received"])
        return cls(**{**saved, "request": AsyncRequest(**request), "received": received})


def read_input(invocation: Invocation, clients: RoleClients) -> bytes:
    """Return the payload.

    Raises:
        InputError: it is larger than 1 GB.
        ClientError: it cannot be read.
    """
    if not invocation.request.location:
        return invocation.request.body
    bucket, key = split_s3_url(invocation.request.location)
    found = clients.s3.get_object(Bucket=bucket, Key=key)
    if found["ContentLength"] > MOST_BYTES:
        raise InputError(f"ClientError: The input is larger than {MOST_BYTES} bytes.")
    content: bytes = found["Body"].read()
    return content


def succeed(invocation: Invocation, answer: Answer, clients: RoleClients) -> None:
    """Write the response to the output location and notify the success topic."""
    request = invocation.request
    content_type = answer.headers.get("content-type", "application/octet-stream")
    _write(invocation, request.output, answer.body, content_type, clients)
    _notify(
        invocation,
        clients,
        "Success",
        {
            "invocationStatus": "Completed",
            "responseParameters": {"contentType": content_type, "outputLocation": request.output},
        },
        answer,
    )


def fail(invocation: Invocation, reason: str, answer: Answer | None, clients: RoleClients) -> None:
    """Write the container's error to the failure location and notify the error topic."""
    request = invocation.request
    if request.failure:
        content = answer.message.encode() if answer and answer.message else reason.encode()
        content_type = answer.headers.get("content-type", "text/plain") if answer else "text/plain"
        _write(invocation, request.failure, content, content_type, clients)
    more: dict[str, Any] = {"invocationStatus": "Failed", "failureReason": reason}
    if request.failure:
        more["responseParameters"] = {"outputLocation": request.failure}
    _notify(invocation, clients, "Error", more, answer)


def _write(invocation: Invocation, location: str, content: bytes, content_type: str, clients: RoleClients) -> None:
    key_id = invocation.config["OutputConfig"].get("KmsKeyId")
    options = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id} if key_id else {}
    bucket, key = split_s3_url(location)
    clients.s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType=content_type, **options)


def _notify(
    invocation: Invocation, clients: RoleClients, kind: str, more: dict[str, Any], answer: Answer | None
) -> None:
    settings = invocation.config["OutputConfig"].get("NotificationConfig", {})
    topic = settings.get(f"{kind}Topic")
    if not topic:
        return
    request = invocation.request
    parameters = {
        "contentType": request.content_type,
        "accept": request.accept,
        "customAttributes": request.attributes,
        "endpointName": invocation.endpoint,
        "inputLocation": request.location,
    }
    message = {
        "awsRegion": invocation.region,
        "eventTime": _time(datetime.now(UTC)),
        "receivedTime": _time(invocation.received),
        **more,
        "requestParameters": {name: value for name, value in parameters.items() if value},
        "inferenceId": request.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    included = f"{kind.upper()}_NOTIFICATION_TOPIC" in settings.get("IncludeInferenceResponseIn", [])
    if included and answer and len(answer.body) <= INCLUDED_BYTES:
        message["responseBody"] = {"content": base64.b64encode(answer.body).decode(), "encoding": "BASE64"}
    clients.sns.publish(TopicArn=topic, Message=json.dumps(message))


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
