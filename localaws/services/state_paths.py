"""JSONPaths and intrinsic functions in state machines.

Sources: https://states-language.net/spec.html (paths, reference paths, payload templates) and
https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html.
"""

import re
from collections.abc import Iterator
from typing import Any

# `$`, `$$` (the context object) or a variable, then fields, indices, slices, names in brackets and filters.
_NAME, _QUOTED = r"[^\s.\[\]()?*,:'\"]+", r"'(?:[^'\\]|\\.)+'|\"(?:[^\"\\]|\\.)+\""
_START = r"\$(?:\$|[A-Za-z_]\w*)?"
_SELECTOR = rf"\*|-?\d+(?:\s*,\s*-?\d+)*|-?\d*:-?\d*(?::-?\d+)?|(?:{_QUOTED})(?:\s*,\s*(?:{_QUOTED}))*|\?\(.+\)"
_PATH = re.compile(rf"{_START}(?:\.\.?(?:{_NAME}|\*)(?:\(\))?|(?:\.\.?)?\[\s*(?:{_SELECTOR})\s*\])*")
_REFERENCE = re.compile(rf"{_START}(?:\.{_NAME}|\.?\[\s*(?:\d+|{_QUOTED})\s*\])*")
PATHS = (
    "InputPath", "OutputPath", "ItemsPath", "SecondsPath", "TimestampPath", "TimeoutSecondsPath",
    "HeartbeatSecondsPath", "Variable", "CausePath", "ErrorPath",
)  # fmt: skip
TEMPLATES = ("Parameters", "ResultSelector", "ItemSelector")
INTRINSIC = frozenset(
    {"Array", "ArrayContains", "ArrayGetItem", "ArrayLength", "ArrayPartition", "ArrayRange", "ArrayUnique"}
    | {"Base64Decode", "Base64Encode", "Format", "Hash", "JsonMerge", "JsonToString", "MathAdd", "MathRandom"}
    | {"StringSplit", "StringToJson", "UUID"}
)
_CALL = re.compile(r"States\.(?P<name>\w+)\((?P<arguments>.*)\)", re.DOTALL)


def problems(state: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the paths of a state, without those of its branches."""
    for part in (state, *_rules(state.get("Choices") or [])):
        for field in PATHS:
            value = part.get(field)
            if isinstance(value, str) and not _is_value(value):
                yield f"Value is not a valid JSONPath: {field} is {value}"
    for part in (state, *(state.get("Catch") or [])):
        value = part.get("ResultPath")
        if isinstance(value, str) and not _REFERENCE.fullmatch(value):
            yield f"Value is not a Reference Path: ResultPath is {value}"
    for field in TEMPLATES:
        yield from (f"{problem} at {field}" for problem in _of_template(state.get(field)))


def _rules(rules: list[Any]) -> Iterator[dict[str, Any]]:
    """The comparisons of a Choice state, at any depth."""
    for rule in rules:
        if isinstance(rule, dict):
            yield rule
            yield from _rules([*rule.get("And", []), *rule.get("Or", []), *([rule["Not"]] if "Not" in rule else [])])


def _of_template(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for one in part:
            yield from _of_template(one)
    for name, value in part.items() if isinstance(part, dict) else ():
        if not name.endswith(".$"):
            yield from _of_template(value)
        elif not isinstance(value, str) or not _is_value(value):
            yield f"The value for the field '{name}' must be a valid JSONPath or a valid intrinsic function call"


def _is_value(text: str) -> bool:
    call = _CALL.fullmatch(text)
    if call:
        return call["name"] in INTRINSIC and _is_balanced(call["arguments"])
    return _PATH.fullmatch(text) is not None


def _is_balanced(arguments: str) -> bool:
    """Whether parentheses and quotes outside quoted text are balanced."""
    bare = re.sub(r"'(?:[^'\\]|\\.)*'", "", arguments, flags=re.DOTALL)
    return "'" not in bare and bare.count("(") == bare.count(")")
