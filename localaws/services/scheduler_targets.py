"""Targets that EventBridge Scheduler refuses.

Sources: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html (form, input and
unsupported actions) and https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html (the
services with a templated target).
"""

import json
import re
from typing import Any

from botocore.exceptions import UnknownServiceError
from moto.core.utils import get_service_model

from localaws.errors import AwsError

_ARN = re.compile(r"arn:aws[a-z-]*:(?P<service>[a-z0-9-]+):[a-z0-9-]*:\d*:.+", re.ASCII)
_UNIVERSAL = re.compile(r"arn:aws[a-z-]*:scheduler:::aws-sdk:(?P<service>[a-z0-9-]+):(?P<action>[a-z]\w+)", re.ASCII)
TEMPLATED = frozenset(
    {"codebuild", "codepipeline", "ecs", "events", "firehose", "inspector", "kinesis", "lambda", "sagemaker", "sns"}
    | {"sqs", "states"}
)
# Templated targets whose input is JSON: API_Target (Input).
_JSON = frozenset({"events", "lambda", "states"})
_READS = (
    "get", "describe", "list", "poll", "receive", "search", "scan", "query", "select", "read", "lookup", "discover",
    "validate", "batchGet", "batchDescribe", "batchRead", "transactGet", "adminGet", "adminList", "testMigration",
    "retrieve", "testConnection", "translateDocument", "isAuthorized", "invokeModel",
)  # fmt: skip


def check(target: dict[str, Any]) -> None:
    """Refuse a schedule's target.

    Raises:
        AwsError: ValidationException.
    """
    arn = str(target.get("Arn") or "")
    found = _ARN.fullmatch(arn)
    if not found:
        raise AwsError("ValidationException", "Provided Arn is not in correct format.")
    if found["service"] == "scheduler":
        _check_universal(arn)
    elif found["service"] not in TEMPLATED:
        raise AwsError("ValidationException", f"{arn} is not a supported target of a schedule.")
    given = target.get("Input")
    if given and found["service"] in {"scheduler", *_JSON}:
        try:
            json.loads(given)
        except ValueError:
            raise AwsError("ValidationException", "The Input of the target is not well-formed JSON.") from None


def _check_universal(arn: str) -> None:
    """Services that botocore knows by another name are not looked up."""
    found = _UNIVERSAL.fullmatch(arn)
    if not found:
        raise AwsError("ValidationException", "Provided Arn is not in correct format.")
    service, action = found["service"], found["action"]
    if action.startswith(_READS) or not has_action(service, action):
        raise AwsError("ValidationException", f"{service}:{action} is not a supported action of a schedule.")


def has_action(service: str, action: str) -> bool:
    """Whether a service has an action, which begins with a small letter. Services of other names are not looked up."""
    try:
        operations = get_service_model(service).operation_names
    except UnknownServiceError:
        return True
    return action[0].islower() and action[0].upper() + action[1:] in operations
