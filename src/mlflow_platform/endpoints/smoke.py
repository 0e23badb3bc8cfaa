"""The smoke request: a model answers its own input example before it receives traffic.

AWS has no way to send a request to the new instances of an update before traffic moves to them: a canary and a shadow
variant answer or copy requests of users. So the new model answers on a temporary endpoint with one instance, which is
then deleted. A new endpoint has no traffic to protect, so it answers the request itself.

The temporary endpoint is named like the endpoint's configurations, so a later run finds what a killed one left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_common.waiting import Clock, Progress, wait_for
from mlflow_platform.endpoints import async_requests, container_log
from mlflow_platform.endpoints.container_message import invocation_error
from mlflow_platform.endpoints.creation import as_list, create_single, ensure
from mlflow_platform.endpoints.specification import EndpointSpec, belongs_to, smoke_name, stem
from mlflow_platform.endpoints.state import CHANGE_TIMEOUT, CHANGING, find, has_tags, is_missing

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import EndpointSummaryTypeDef

    from mlflow_platform.endpoints.resources import Clients

# A temporary endpoint of another deployment is left over if it is older.
_ABANDONED = timedelta(minutes=30)
_JSON = "application/json"
# Keys of an answer without predictions that say what went wrong. MLflow's scoring server sends `error_code`.
_ERRORS = ("error", "errors", "error_code")
_LONGEST = 200
_TAG = {"purpose": "smoke-test"}


def is_test(tags: Mapping[str, str]) -> bool:
    """Whether an endpoint with these tags is a temporary one."""
    return _TAG.items() <= tags.items()


def temporary_endpoints(sagemaker: SageMakerClient, endpoint: str) -> list[EndpointSummaryTypeDef]:
    """The temporary endpoints of an endpoint, as AWS lists them. Only the tags tell them from other endpoints."""
    pages = sagemaker.get_paginator("list_endpoints").paginate(NameContains=stem(endpoint))
    listed = [item for page in pages for item in page["Endpoints"]]
    named = [item for item in listed if belongs_to(endpoint, item["EndpointName"])]
    return [item for item in named if has_tags(sagemaker, item["EndpointArn"], _TAG)]


class SmokeTest:
    """Sends smoke requests, on temporary endpoints where an endpoint serves users already."""

    def __init__(self, clients: Clients, *, progress: Progress, clock: Clock) -> None:
        self._clients, self._progress, self._clock = clients, progress, clock
        self._sagemaker = clients.sagemaker

    def ask(self, endpoint: str, request: bytes) -> None:
        """Send the request to an endpoint that is in service.

        Raises:
            PlatformError: the model answered with an error, or with something that is not a prediction.
        """
        self._progress("sending the model's input example")
        try:
            answer = self._answer(endpoint, request)
        except (ClientError, BotoCoreError) as error:
            raise PlatformError(_refused(invocation_error(error))) from error
        try:
            problem = _problem(json.loads(answer), request)
        except RecursionError:
            raise PlatformError(_refused("its answer is nested too deeply")) from None
        except ValueError:
            raise PlatformError(_refused(f"its answer is not JSON: {answer[:80]!r}")) from None
        if problem:
            raise PlatformError(_refused(problem))
        if unscored := _unscored(answer):
            self._progress(f"validate_endpoint.py and monitor.py cannot score such predictions: {unscored}")

    def _answer(self, endpoint: str, request: bytes) -> bytes:
        outputs = async_requests.output_folder(self._sagemaker, endpoint)
        if outputs is None:
            return self._clients.runtime.invoke_endpoint(
                EndpointName=endpoint, ContentType=_JSON, Accept=_JSON, Body=request
            )["Body"].read()
        s3 = self._clients.s3
        submitted = async_requests.submit(s3, self._clients.runtime, endpoint, outputs, request, _JSON)
        try:
            return async_requests.result(
                s3, submitted, progress=self._progress, clock=self._clock, timeout=CHANGE_TIMEOUT
            )
        except PlatformError as error:
            raise PlatformError(_refused(error.message)) from None

    def ask_apart(self, spec: EndpointSpec, request: bytes) -> None:
        """Send the request to the new model on a temporary endpoint, which is removed whatever happens.

        The model must exist already. A temporary endpoint that a killed run of the same deployment left is used.

        Raises:
            PlatformError: the model did not start or did not answer.
        """
        name = smoke_name(spec)
        try:
            tags = dict(spec.tags) | _TAG
            ensure(
                lambda: self._sagemaker.describe_endpoint_config(EndpointConfigName=name),
                lambda: create_single(self._sagemaker, spec, name, tags),
            )
            ensure(
                lambda: self._sagemaker.describe_endpoint(EndpointName=name),
                lambda: self._sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=as_list(tags)),
            )
            self._wait_until_serving(name)
            self.ask(name, request)
        finally:
            self._remove(name)

    def clear(self, endpoint: str, *, except_for: str = "", force: bool = False) -> None:
        """Remove temporary endpoints that a killed deployment left; with `force`, all of them.

        Raises:
            PreconditionError: one is so new that its deployment may still be in progress.
        """
        for found in temporary_endpoints(self._sagemaker, endpoint):
            name = found["EndpointName"]
            if name == except_for:
                continue
            if not force and datetime.now(UTC) - found["CreationTime"] < _ABANDONED:
                raise PreconditionError(
                    f"another deployment to the endpoint {endpoint} is in progress: its test endpoint {name} exists. "
                    "Wait until it has ended; if it was killed, its test endpoint is removed after "
                    f"{_ABANDONED.seconds // 60} minutes."
                )
            self._remove(name)

    def _wait_until_serving(self, name: str) -> None:
        state = wait_for(
            lambda: find(self._sagemaker, name),
            settled=lambda state: state is None or state.status not in CHANGING,
            describe=lambda state: f"test endpoint {name}: {state.status if state else 'deleted'}",
            progress=self._progress,
            clock=self._clock,
            timeout=CHANGE_TIMEOUT,
        )
        if state is None or state.status != "InService":
            lines = container_log.tail(self._clients.logs, name, except_for=())
            reason = container_log.cause(lines) or (state.reason if state else "its test endpoint was deleted")
            raise PlatformError(
                f"the new model did not start on a test endpoint ({reason or 'AWS gives no reason'}).",
                [f"log of {container_log.group(name)}:", *lines] if lines else [],
            )

    def _remove(self, name: str) -> None:
        """Delete a temporary endpoint and its configuration. AWS refuses to delete an endpoint while it is created."""
        state = wait_for(
            lambda: find(self._sagemaker, name),
            settled=lambda state: state is None or state.status not in CHANGING,
            describe=lambda state: f"removing the test endpoint {name}" if state else f"test endpoint {name}: deleted",
            progress=self._progress,
            clock=self._clock,
            timeout=CHANGE_TIMEOUT,
        )
        if state is not None:
            _unless_missing(lambda: self._sagemaker.delete_endpoint(EndpointName=name))
        _unless_missing(lambda: self._sagemaker.delete_endpoint_config(EndpointConfigName=name))


def _unless_missing(delete: Callable[[], object]) -> None:
    try:
        delete()
    except ClientError as error:
        if not is_missing(error):
            raise


def _problem(answer: Any, request: bytes) -> str | None:
    """Why an answer with status 200 holds no prediction; None if it holds one.

    MLflow answers `{"predictions": …}`; other images may answer with any JSON.
    """
    shown = json.dumps(answer)[:_LONGEST]
    found = answer
    if isinstance(answer, dict):
        found = answer.get("predictions") if "predictions" in answer else answer
        # A number can be a result, such as the error of an estimate.
        if found is answer and any(answer.get(key) and not _is_number(answer[key]) for key in _ERRORS):
            return f"its answer is an error: {shown}"
    if found == "" or not (_holds_value(found) or (found == [] and not _has_rows(request))):
        return f"its answer has no predictions: {shown}"
    return None


def _unscored(answer: bytes) -> str:
    """Why predictions have no form that validation and monitoring know, such as several outputs; empty if they do."""
    from mlflow_platform.validation import predictions

    try:
        predictions.interpret(predictions.parse(answer, "the model", expected=None), "the model")
    except PlatformError as error:
        return error.message
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _holds_value(found: Any) -> bool:
    """Whether JSON has a value that is not null. A model may have no prediction for some rows."""
    if isinstance(found, dict):
        return any(_holds_value(value) for value in found.values())
    if isinstance(found, list):
        return any(_holds_value(value) for value in found)
    return found is not None


def _has_rows(request: bytes) -> bool:
    """Whether a request has rows, so that a prediction must follow. Only MLflow's forms can be empty."""
    try:
        sent = json.loads(request)
    except (ValueError, RecursionError):
        return True
    if not isinstance(sent, dict):
        return bool(sent)
    split = sent.get("dataframe_split")
    rows = [split.get("data")] if isinstance(split, dict) else [value for key, value in sent.items() if key != "params"]
    return any(value not in (None, [], {}) for value in rows)


def _refused(reason: str) -> str:
    return f"the new model did not answer its input example ({reason.strip().rstrip('.')})."
