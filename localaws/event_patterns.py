"""Event patterns that EventBridge refuses, with its messages.

Sources: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html and the program that
EventBridge matches events with: https://github.com/aws/event-ruler (JsonRuleCompiler).
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

OR = "$or"
_TEXT_ONLY = ("equals-ignore-case", "wildcard")
_AFFIXES = ("prefix", "suffix")
_NEGATED = ("equals-ignore-case", "prefix", "suffix", "wildcard")
# A backslash that escapes neither `*` nor itself.
_BAD_ESCAPE = re.compile(r"(?<!\\)(\\\\)*\\(?![*\\])")


def problems(pattern: Any) -> Iterator[str]:
    """What is wrong with a pattern."""
    if not isinstance(pattern, dict):
        yield "Filter is not an object"
    else:
        yield from _of_object(pattern)


def _of_object(part: dict[str, Any]) -> Iterator[str]:
    if not part:
        yield "Empty objects are not allowed"
    for name, value in part.items():
        if name == OR:
            yield from _of_alternatives(value)
        elif isinstance(value, dict):
            yield from _of_object(value)
        elif not isinstance(value, list):
            yield f'"{name}" must be an object or an array'
        elif not value:
            yield "Empty arrays are not allowed"
        else:
            for one in value:
                yield from _of_match(one)


def _of_alternatives(value: Any) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"It must be an Array followed with {OR}."
        return
    for one in value:
        if not isinstance(one, dict):
            yield f"Only JSON object is allowed in array of {OR} relationship."
            return
        for name in one:
            if name in _CHECKS:
                yield f"{name} is Ruler reserved fieldName which cannot be used inside {OR}."
        yield from _of_object(one)
    if len(value) < 2:
        yield f"There must have at least 2 Objects in {OR} relationship."


def _of_match(one: Any) -> Iterator[str]:
    if isinstance(one, list):
        yield "Match value must be String, number, true, false, or null"
    if not isinstance(one, dict):
        return
    if not one:
        yield "Match expression name not found"
        return
    name, value = next(iter(one.items()))
    if name not in _CHECKS:
        yield f"Unrecognized match type {name}"
    elif len(one) > 1:
        yield "Only one key allowed in match expression"
    else:
        yield from _CHECKS[name](name, value)


def _of_text(name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{name} match pattern must be a string"
    elif name == "wildcard":
        yield from _of_wildcard(value)


def _of_wildcard(value: str) -> Iterator[str]:
    if "**" in value.replace("\\\\", "").replace("\\*", ""):
        yield "Consecutive wildcard characters"
    if _BAD_ESCAPE.search(value):
        yield "Invalid escape character"


def _of_affix(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (f"Unsupported {name} pattern: {other}" for other in value if other != "equals-ignore-case")
        value = value.get("equals-ignore-case")
    yield from _of_text(name, value)


def _of_exists(_name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, bool):
        yield "exists match pattern must be either true or false."


def _of_cidr(name: str, value: Any) -> Iterator[str]:
    yield from _of_text(name, value)
    try:
        if isinstance(value, str):
            ipaddress.ip_network(value, strict=False)
    except ValueError:
        yield "Malformed CIDR"
    if isinstance(value, str) and "/" not in value:
        yield "Malformed CIDR, one '/' required"


def _of_numeric(_name: str, value: Any) -> Iterator[str]:
    """One comparison, or a range: `>` or `>=` first, then `<` or `<=`."""
    if not isinstance(value, list):
        yield "Value of numeric must be an array."
        return
    for operator, number in zip(value[::2], [*value[1::2], None], strict=False):
        if operator not in ("=", "<", "<=", ">", ">="):
            yield f"Unrecognized numeric range operator: {operator}"
        if not _is_number(number):
            yield f"Value of {operator} must be numeric"
    is_range = value[:1] in ([">"], [">="]) and value[2:3] in (["<"], ["<="])
    if len(value) > (4 if is_range else 2) or not value:
        yield "Too many elements in numeric expression"
    elif is_range and len(value) == 4 and all(map(_is_number, value[1::2])) and value[1] >= value[3]:
        yield "Bottom must be less than top"


def _of_negation(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        operator, given = next(iter(value.items()), ("", None))
        if operator not in _NEGATED or len(value) > 1:
            yield f"Unsupported anything-but pattern: {operator}"
            return
        for one in given if isinstance(given, list) else [given]:
            yield from _of_text(operator, one)
            if one == "" and operator in _AFFIXES:
                yield "Null prefix/suffix not allowed"
        return
    listed = value if isinstance(value, list) else [value]
    texts = sum(isinstance(one, str) for one in listed)
    numbers = sum(map(_is_number, listed))
    if texts + numbers < len(listed):
        yield f"Value of {name} must be an array or single string/number value."
    elif bool(texts) == bool(numbers):
        yield "Inside anything but list, either all values are number or string, mixed type is not supported"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_CHECKS: Mapping[str, Callable[[str, Any], Iterator[str]]] = {
    **dict.fromkeys(_TEXT_ONLY, _of_text),
    **dict.fromkeys(_AFFIXES, _of_affix),
    "anything-but": _of_negation,
    "cidr": _of_cidr,
    "exists": _of_exists,
    "numeric": _of_numeric,
}
