"""Lambda functions as targets of other services, which localaws does not invoke. moto would, within the other call."""

from collections.abc import Mapping
from typing import Any

# The members that name a function, or a protocol of it.
_MEMBERS = {
    ("events", "PutTargets"): ("Targets", "Arn"),
    ("logs", "PutSubscriptionFilter"): ("destinationArn",),
    ("secretsmanager", "RotateSecret"): ("RotationLambdaARN",),
    ("sns", "Subscribe"): ("Protocol",),
}


def check(service: str, operation: str, given: dict[str, Any]) -> None:
    """Refuse a request that makes a function a target.

    Raises:
        NotImplementedError: it does.
    """
    path = _MEMBERS.get((service, operation))
    if path and any(_is_function(value) for value in _values(given, path)):
        raise NotImplementedError(f"Lambda functions as targets of {service}")


def check_notifications(given: Mapping[str, Any]) -> None:
    """Refuse a bucket's notifications that call a function, as moto reads them.

    Raises:
        NotImplementedError: one does.
    """
    if given.get("CloudFunctionConfiguration"):
        raise NotImplementedError("Lambda functions as targets of s3")


def _values(given: Any, path: tuple[str, ...]) -> list[Any]:
    if isinstance(given, list):
        return [value for one in given for value in _values(one, path)]
    if not path:
        return [given]
    return _values(given[path[0]], path[1:]) if isinstance(given, dict) and path[0] in given else []


def _is_function(value: Any) -> bool:
    return value == "lambda" or str(value).split(":")[2:3] == ["lambda"]
