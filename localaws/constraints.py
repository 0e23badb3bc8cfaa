"""Checks a request against the constraints of botocore's service model, with AWS's error messages.

Before botocore sends a request, it checks only types and required members. The service checks the rest.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.model import OperationModel
from moto.core.utils import get_service_model

from localaws.errors import NOT_XML, AwsError

# Unicode classes of Java's expressions, which Python's `re` does not have. All of them occur inside brackets with `_`.
UNICODE = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s"}
# The JSON types for each type of the model. Timestamps are missing, because they have several forms.
JSON_TYPES: dict[str, Any] = {
    "structure": dict,
    "list": list,
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
}
NUMBERS: dict[str, Any] = {"float": (int, float), "double": (int, float), "timestamp": (int, float, str)}
# The JSON types in a request's body, in which a blob is base64.
BODY_TYPES: dict[str, Any] = {**JSON_TYPES, **NUMBERS, "map": dict, "blob": str}
CHECKED_PROTOCOLS = ("json", "rest-json", "query")
NOT_NULL = "Member must not be null"
# Seconds from 1970 to the year 10000.
LATEST = 253402300800


def check(service: str, operation: str, given: dict[str, Any]) -> None:
    """Refuses a request that violates the model.

    Raises:
        AwsError: ValidationException with every violation, worded as on AWS; SerializationException for
            a value of the wrong type.
    """
    shape = operation_model(service, operation).input_shape
    found = list(_violations("", shape, given)) if shape else []
    if found:
        raise AwsError("ValidationException", _detected(found))


def _detected(violations: list[str]) -> str:
    return f"{len(violations)} validation error{'s' if len(violations) > 1 else ''} detected: {'; '.join(violations)}"


def check_types(shape: Any, protocol: str, given: dict[str, Any]) -> None:
    """Refuses a request that lacks required members, or whose JSON values have other types than the model's.

    moto and the operations here take both for granted. As by AWS, unknown members are ignored.

    Args:
        shape: the model of the operation's input; None for one without. If its body is one member, nothing is checked.
        protocol: requests of other protocols than `CHECKED_PROTOCOLS` are not checked.

    Raises:
        AwsError: SerializationException for a value of the wrong type; ValidationException for a missing member;
            ValidationError for control characters in the query protocol, whose answers are XML.
    """
    if shape is None or protocol not in CHECKED_PROTOCOLS or "payload" in shape.serialization:
        return
    members = {name: member for name, member in shape.members.items() if "location" not in member.serialization}
    names = {name: member.serialization.get("name", name) for name, member in members.items()}
    if protocol == "query":
        # A structure `A` is sent as `A.B=…`, a list as `A.member.1=…`, and an empty one as `A=`.
        keys = {key.partition(".")[0] for key in given}
        sent = {name for name in members if names[name] in keys}
        for key, value in given.items():
            if NOT_XML.search(f"{key}{value}"):
                # https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
                raise AwsError("ValidationError", f"{ascii(key)[:100]} contains a character that XML cannot contain.")
        for name, member in members.items():
            value = given.get(names[name])
            if member.type_name in ("structure", "list", "map") and isinstance(value, str) and value:
                raise AwsError("MalformedInput", f"'{name}' is no {member.type_name}.")
    else:
        sent = {name for name in members if given.get(names[name]) is not None}
        for name in members:
            if name in sent:
                _check_type(_member("", name), members[name], given[names[name]])
    missing = [name for name in shape.required_members if name in members and name not in sent]
    if missing:
        found = [f"Value null at '{_member('', name)}' failed to satisfy constraint: {NOT_NULL}" for name in missing]
        raise AwsError("ValidationError" if protocol == "query" else "ValidationException", _detected(found))


def _check_type(path: str, shape: Any, value: Any) -> None:
    kind = shape.type_name
    if not isinstance(value, BODY_TYPES.get(kind, object)) or (
        isinstance(value, bool) and kind in (*NUMBERS, "integer", "long")
    ):
        raise AwsError("SerializationException", f"'{path}' is no {kind}.")
    if kind == "timestamp" and isinstance(value, (int, float)) and not abs(value) < LATEST:
        raise AwsError("SerializationException", f"'{path}' is no {kind}.")
    if kind == "structure":
        for name, member in shape.members.items():
            sent = value.get(member.serialization.get("name", name))
            if sent is not None:
                _check_type(_member(path, name), member, sent)
    elif kind == "list":
        for number, item in enumerate(value, 1):
            _check_type(f"{path}.{number}.member", shape.member, item)
    elif kind == "map":
        for key, item in value.items():
            _check_type(f"{path}.{key}.member", shape.value, item)


@cache
def operation_model(service: str, operation: str) -> OperationModel:
    """botocore's model of an operation."""
    model: OperationModel = get_service_model(service).operation_model(operation)
    return model


def _violations(path: str, shape: Any, value: Any) -> Iterator[str]:
    if not isinstance(value, JSON_TYPES.get(shape.type_name, object)):
        raise AwsError("SerializationException", f"'{path}' is no {shape.type_name}.")
    if shape.type_name == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                yield f"Value null at '{_member(path, name)}' failed to satisfy constraint: {NOT_NULL}"
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _violations(_member(path, name), member, value[name])
    else:
        for rule in _broken_rules(shape, value):
            yield _broken(path, value, rule)
    if shape.type_name == "list":
        for number, item in enumerate(value, 1):
            yield from _violations(f"{path}.{number}.member", shape.member, item)
    elif shape.type_name == "map":
        yield from _map_violations(path, shape, value)


def _map_violations(path: str, shape: Any, value: dict[str, Any]) -> Iterator[str]:
    """Violations of keys and values. The wording: https://github.com/trek10inc/serverless-secrets/issues/39."""
    keys = [rule for key in value for rule in _broken_rules(shape.key, key)]
    if keys:
        yield _broken(path, None, f"Map keys must satisfy constraint: [{', '.join(dict.fromkeys(keys))}]")
    if shape.value.type_name in ("structure", "list", "map"):
        for key, item in value.items():
            yield from _violations(f"{path}.{key}.member", shape.value, item)
        return
    values = [rule for item in value.values() for rule in _broken_rules(shape.value, item)]
    if values:
        yield _broken(path, None, f"Map value must satisfy constraint: [{', '.join(dict.fromkeys(values))}]")


def _broken_rules(shape: Any, value: Any) -> Iterator[str]:
    """The constraints on a value itself, without its members, that it violates."""
    kind = shape.type_name
    if kind in ("list", "map", "string"):
        yield from _size(shape, len(value), "length")
    elif kind in ("integer", "long", "float", "double"):
        yield from _size(shape, value, "value")
    if kind == "string":
        enum = shape.metadata.get("enum")
        if enum and value not in enum:
            yield f"Member must satisfy enum value set: [{', '.join(enum)}]"
        pattern = shape.metadata.get("pattern")
        if pattern and not _expression(pattern).fullmatch(value):
            yield f"Member must satisfy regular expression pattern: {pattern}"


def _size(shape: Any, size: float, what: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"Member must have {what} greater than or equal to {least}"
    if most is not None and size > most:
        yield f"Member must have {what} less than or equal to {most}"


def _broken(path: str, value: Any, rule: str) -> str:
    shown = "Value" if value is None else f"Value '{value}'"
    return f"{shown} at '{path}' failed to satisfy constraint: {rule}"


def _member(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    # Java's classes such as \w are ASCII, Python's are Unicode by default.
    flags = re.NOFLAG if r"\p{" in pattern else re.ASCII
    if "(?i)" in pattern:
        # Java allows a flag within an expression, Python only at its start.
        pattern, flags = pattern.replace("(?i)", ""), flags | re.IGNORECASE
    for java, python in UNICODE.items():
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern, flags)
    except re.error:
        # About twenty of the models' expressions use classes that Python does not have. They are not checked.
        return re.compile(".*", re.DOTALL)
