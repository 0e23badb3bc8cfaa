"""Requests to an asynchronous endpoint: the input goes to S3, the result comes from there.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-invoke-endpoint.html
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_common.waiting import Clock, Progress, wait_for
from mlflow_platform.endpoints.container_message import container_message
from mlflow_platform.endpoints.model_archive import split_uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

# An answer takes at most an hour (InvocationTimeoutSeconds), after at most six hours in the queue (RequestTTLSeconds).
LONGEST = 7 * 3600.0


@dataclass(frozen=True)
class Submitted:
    """An accepted request: its id, and the S3 URIs at which the answer or the error appears."""

    inference_id: str
    output: str
    failure: str | None


def output_folder(sagemaker: SageMakerClient, endpoint: str) -> str | None:
    """The S3 URI below which an endpoint leaves its results; None if it is not asynchronous."""
    found: Any = sagemaker.describe_endpoint(EndpointName=endpoint).get("AsyncInferenceConfig") or {}
    uri = found.get("OutputConfig", {}).get("S3OutputPath")
    return str(uri) if uri else None


def submit(
    s3: S3Client, runtime: SageMakerRuntimeClient, endpoint: str, outputs: str, body: bytes, content_type: str
) -> Submitted:
    """Store a request's body beside the outputs and queue the request.

    The object is named after its content, so a repeated request stores it once.

    Args:
        outputs: the S3 URI that `output_folder` returned.
    """
    bucket, folder = split_uri(outputs)
    key = f"{folder.rpartition('/')[0]}/in/{hashlib.sha256(body).hexdigest()[:32]}".lstrip("/")
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)
    answer: Any = runtime.invoke_endpoint_async(
        EndpointName=endpoint, InputLocation=f"s3://{bucket}/{key}", ContentType=content_type, Accept="application/json"
    )
    return Submitted(answer["InferenceId"], answer["OutputLocation"], answer.get("FailureLocation"))


def result(s3: S3Client, submitted: Submitted, *, progress: Progress, clock: Clock, timeout: float = LONGEST) -> bytes:
    """Wait for the answer, and return it.

    Raises:
        PlatformError: the model answered with an error, or there is no answer within `timeout` seconds.
    """
    found = wait_for(
        lambda: _first(s3, submitted.output, submitted.failure),
        settled=lambda uri: uri is not None,
        describe=lambda uri: f"request {submitted.inference_id}: {'answered' if uri else 'waiting'}",
        progress=progress,
        clock=clock,
        timeout=timeout,
    )
    bucket, key = split_uri(str(found))
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    if found == submitted.failure:
        raise PlatformError(f"the model did not answer: {container_message(content.decode(errors='replace'))}")
    return content


def require_outputs(sagemaker: SageMakerClient, endpoint: str) -> str:
    """The S3 URI below which an asynchronous endpoint leaves its results.

    Raises:
        PreconditionError: the endpoint is not asynchronous.
    """
    found = output_folder(sagemaker, endpoint)
    if found is None:
        raise PreconditionError(
            f"the endpoint {endpoint} is not asynchronous. Send the request with InvokeEndpoint, or deploy the model "
            "with --async."
        )
    return found


def _first(s3: S3Client, *uris: str | None) -> str | None:
    """The first of the objects that exists. Listing finds no missing object, where HeadObject can be forbidden."""
    for uri in filter(None, uris):
        bucket, key = split_uri(uri)
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        if any(item["Key"] == key for item in listed):
            return uri
    return None
