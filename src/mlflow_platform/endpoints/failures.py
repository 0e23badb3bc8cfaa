"""Explains why a deployment failed: what AWS refused, or why the model did not start."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from mlflow_common.errors import InputError, PlatformError, PreconditionError, error_code, error_message, explain
from mlflow_platform.endpoints import container_log

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

    from mlflow_platform.endpoints.state import EndpointState

_INTERNAL = 500


def did_not_start(
    logs: CloudWatchLogsClient,
    endpoint: str,
    *,
    before: EndpointState | None,
    after: EndpointState | None,
    old_streams: Collection[str],
) -> PlatformError:
    """The error for a model that did not start. Its details are the end of the new container's log.

    Args:
        before: the endpoint before the deployment.
        after: the endpoint after it.
        old_streams: the log streams that existed before.
    """
    if before and after and after.status == "InService" and after.reason and not _is_about_start(after.reason):
        return PlatformError(
            f"the update of {endpoint} failed ({after.reason}). The previous model continues to serve."
        )
    lines = container_log.tail(logs, endpoint, except_for=old_streams)
    reason = container_log.cause(lines) or (after.reason if after else "the endpoint was deleted meanwhile")
    if before is None:
        outcome = "Everything created for it has been removed."
    elif after and after.status == "InService":
        outcome = "The previous model continues to serve."
    else:
        outcome = f"The endpoint is {after.status if after else 'deleted'}. Deploy a model that works."
    return PlatformError(
        f"the model did not start on {endpoint} ({reason or 'AWS gives no reason'}). {outcome}",
        [f"log of {container_log.group(endpoint)}:", *lines] if lines else [],
    )


def _is_about_start(reason: str) -> bool:
    """Whether AWS's reason refers to the container's log, which says more."""
    return "health check" in reason or "CloudWatch logs" in reason


def rolled_back(endpoint: str, alarm: str, reason: str) -> PlatformError:
    """The error for an update that AWS has rolled back because of an alarm."""
    why = f" ({reason})" if reason and alarm not in reason else ""
    return PlatformError(
        f"the alarm {alarm} has rolled the update of {endpoint} back{why}. The previous model continues to serve."
    )


def refused(error: Exception, *, image: str = "", instance_type: str = "") -> PlatformError:
    """The error for a model, configuration or endpoint that AWS refused to create or update."""
    message = error_message(error)
    if error_code(error) == "ValidationException":
        if instance_type and "instanceType" in message:
            return InputError(f"AWS has no instance type {instance_type}. Choose another one with --instance-type.")
        if image and (image in message or "image" in message.lower()):
            return PreconditionError(
                f"AWS cannot use the image {image} ({message.strip().rstrip('.')}). Push one with "
                "`mlflow sagemaker build-and-push-container`, or name another one with --image."
            )
    return explain(error) or PlatformError(message or str(error))


def other_deployment(endpoint: str, serves: str = "") -> PreconditionError:
    """The error for an endpoint that another deployment is moving, or has moved to the configuration `serves`."""
    if serves:
        return PreconditionError(
            f"another deployment has moved the endpoint {endpoint} to {serves}. Run the same command again, if it "
            "should serve your model."
        )
    return PreconditionError(
        f"another deployment or change of the endpoint {endpoint} is in progress. Wait until it has ended, then run "
        "the same command again."
    )


def is_final(error: Exception) -> bool:
    """Whether AWS has refused a call for good: it answered, and not with an internal error."""
    if not isinstance(error, ClientError):
        return False
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status < _INTERNAL


def is_first_refusal(error: Exception) -> bool:
    """Whether AWS has refused a call that the SDK sent only once. A repeated call is refused if the first one worked.

    botocore counts the repetitions (`Endpoint._send_request` in botocore/endpoint.py).
    """
    if not isinstance(error, ClientError) or not is_final(error):
        return False
    return not error.response.get("ResponseMetadata", {}).get("RetryAttempts")
