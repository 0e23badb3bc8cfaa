"""Asynchronous endpoints: what AWS refuses in a configuration and in a request, and where results are written.

Sources: the API's models (AsyncInferenceConfig, InvokeEndpointAsync),
https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-create-endpoint.html and
async-inference-invoke-endpoint.html beside it.
"""

import re
import uuid
from dataclasses import dataclass
from typing import Any, Self

from localaws.call import Headers
from localaws.endpoints.records import refusal
from localaws.errors import AwsError

# "Payload sizes up to 1 GB": https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html
MOST_BYTES = 1 << 30
INLINE_BYTES = 128_000
TTL_SECONDS = (60, 21600, 21600)
TIMEOUT_SECONDS = (1, 3600, 900)
# "If no value is provided, SageMaker chooses an optimal value."
CONCURRENT_INVOCATIONS = 4
_LOCATION = re.compile(r"(https|s3)://([^/]+)/?(.*)")
_EXTENSION = re.compile(r"(?!s3:|https:)[a-zA-Z0-9!_.*'()/-]{1,512}")
_FILENAME = re.compile(r"(?!.*\..*\.)[a-zA-Z0-9][a-zA-Z0-9-_.]{0,31}")
_INFERENCE_ID = re.compile(r"\S[ -~]{0,63}")
_PREFIX = "x-amzn-sagemaker-"


def check(given: dict[str, Any]) -> None:
    """Refuse a CreateEndpointConfig request that combines AsyncInferenceConfig with what it excludes.

    Raises:
        AwsError: ValidationException.
    """
    config = given.get("AsyncInferenceConfig")
    if not config:
        return
    if len(given["ProductionVariants"]) > 1:
        raise refusal("AsyncInferenceConfig supports one production variant only.")
    # https://docs.aws.amazon.com/sagemaker/latest/dg/shadow-tests-exclusions.html
    for name in ("ShadowProductionVariants", "CrossRegionTrafficConfig"):
        if given.get(name):
            raise refusal(f"{name} is not supported with AsyncInferenceConfig.")
    output = config["OutputConfig"]
    for name in ("S3OutputPath", "S3FailurePath"):
        if output.get(name) and not output[name].startswith("s3://"):
            raise refusal(f"{name} {output[name]} is not an S3 URI.")
    if not output.get("S3OutputPath"):
        raise refusal("AsyncInferenceConfig needs S3OutputPath in its OutputConfig.")


def concurrent_invocations(config: dict[str, Any]) -> int:
    """How many requests one instance processes at the same time."""
    given = config.get("ClientConfig", {}).get("MaxConcurrentInvocationsPerInstance")
    return int(given or CONCURRENT_INVOCATIONS)


@dataclass(frozen=True)
class AsyncRequest:
    """An InvokeEndpointAsync request.

    Attributes:
        location: the S3 URI of the input; empty if `body` is the input.
        ttl_seconds: how long it may wait in the queue.
        timeout_seconds: how long the container may take.
        output, failure: the S3 URIs of the results; `failure` is empty without an S3FailurePath.
    """

    inference_id: str
    location: str
    body: bytes
    content_type: str
    accept: str
    attributes: str
    ttl_seconds: int
    timeout_seconds: int
    output: str
    failure: str

    @classmethod
    def read(cls, headers: Headers, body: bytes, config: dict[str, Any]) -> Self:
        """Read a request to an endpoint with an AsyncInferenceConfig.

        Raises:
            AwsError: ValidationError.
        """
        location = headers.get(f"{_PREFIX}inputlocation", "")
        if bool(location) == bool(body):
            raise _invalid("Specify exactly one of InputLocation and Body.")
        if len(body) > INLINE_BYTES:
            raise _invalid(f"Body must have length less than or equal to {INLINE_BYTES}.")
        if location and not (_LOCATION.fullmatch(location) and len(location) <= 1024):
            raise _invalid(f"InputLocation {location} is not an S3 URI.")
        inference_id = headers.get(f"{_PREFIX}inference-id") or str(uuid.uuid4())
        if not _INFERENCE_ID.fullmatch(inference_id):
            raise _invalid("InferenceId must have 1 to 64 printable characters and not begin with a space.")
        output, failure = _results(headers, config["OutputConfig"])
        return cls(
            inference_id=inference_id,
            location=location,
            body=body,
            content_type=headers.get(f"{_PREFIX}content-type", ""),
            accept=headers.get(f"{_PREFIX}accept", ""),
            attributes=headers.get(f"{_PREFIX}custom-attributes", ""),
            ttl_seconds=_number(headers, "requestttlseconds", TTL_SECONDS),
            timeout_seconds=_number(headers, "invocationtimeoutseconds", TIMEOUT_SECONDS),
            output=output,
            failure=failure,
        )

    def sent(self) -> Headers:
        """The headers for the container."""
        given = {
            "content-type": self.content_type,
            "accept": self.accept,
            "x-amzn-sagemaker-custom-attributes": self.attributes,
            "x-amzn-sagemaker-inference-id": self.inference_id,
        }
        return {name: value for name, value in given.items() if value}


def _results(headers: Headers, output: dict[str, Any]) -> tuple[str, str]:
    extension = headers.get(f"{_PREFIX}s3outputpathextension", "")
    filename = headers.get(f"{_PREFIX}filename", "")
    if extension and not _EXTENSION.fullmatch(extension):
        raise _invalid(f"S3OutputPathExtension {extension} is invalid.")
    if filename and not _FILENAME.fullmatch(filename):
        raise _invalid(f"Filename {filename} is invalid.")
    made = uuid.uuid4()
    folder = f"{extension.strip('/')}/" if extension else ""
    stem, dot, suffix = filename.partition(".")
    failed = f"{stem}-error{dot}{suffix}" if filename else f"{made}-error.out"
    success = f"{output['S3OutputPath'].rstrip('/')}/{folder}{filename or f'{made}.out'}"
    failure = output.get("S3FailurePath", "")
    return success, f"{failure.rstrip('/')}/{folder}{failed}" if failure else ""


def _number(headers: Headers, name: str, limits: tuple[int, int, int]) -> int:
    least, most, default = limits
    text = headers.get(_PREFIX + name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise _invalid(f"{name} {text} is invalid: use {least} to {most}.")
    return int(text)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)
