"""What templates refer to: resources, parameters, conditions and functions that they do not have are refused.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

import re
from collections.abc import Iterator
from typing import Any

PSEUDO = frozenset(
    {"AWS::AccountId", "AWS::NoValue", "AWS::NotificationARNs", "AWS::Partition", "AWS::Region", "AWS::StackId"}
    | {"AWS::StackName", "AWS::URLSuffix"}
)
FUNCTIONS = (
    "Fn::And", "Fn::Base64", "Fn::Cidr", "Fn::Equals", "Fn::FindInMap", "Fn::GetAZs", "Fn::GetAtt", "Fn::If",
    "Fn::ImportValue", "Fn::Join", "Fn::Not", "Fn::Or", "Fn::Select", "Fn::Split", "Fn::Sub", "Fn::Transform",
)  # fmt: skip
_PLACE = re.compile(r"\$\{([^!${}][^${}]*)\}")


def references(template: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the references of a template without macros."""
    resources = set(template["Resources"])
    known = resources | set(template.get("Parameters") or {}) | PSEUDO
    conditions = set(template.get("Conditions") or {})
    for section in ("Resources", "Outputs"):
        held = template.get(section) or {}
        absent = sorted({name for name in named(held) if name not in known})
        if absent:
            yield (
                f"Template format error: Unresolved resource dependencies [{', '.join(absent)}] "
                f"in the {section} block of the template"
            )
        for name, part in held.items():
            condition = part.get("Condition") if isinstance(part, dict) else None
            if isinstance(condition, str) and condition not in conditions:
                yield (
                    f"Template format error: Unresolved condition dependency {condition} "
                    f"in the {section} block of the template"
                )
            if section == "Outputs" and (not isinstance(part, dict) or part.get("Value") is None):
                yield f"Template format error: Output {name} is malformed!"
        yield from (
            f"Template error: encountered unsupported function: {name} Supported functions are: {list(FUNCTIONS)}"
            for name in _functions(held)
        )
    for name, resource in template["Resources"].items():
        for other in depends_on(resource):
            if other not in resources:
                yield (
                    f"Template format error: Unresolved resource dependencies [{other}] in the Resources block "
                    f"of the template: DependsOn of {name}"
                )


def depends_on(resource: dict[str, Any]) -> list[Any]:
    """What a resource names in DependsOn, which is one name or a list of them."""
    given = resource.get("DependsOn") or []
    return given if isinstance(given, list) else [given]


def named(part: Any) -> Iterator[str]:
    """The resources and parameters that a part of a template names."""
    if isinstance(part, list):
        for one in part:
            yield from named(one)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "Ref" and len(part) == 1 and isinstance(value, str):
                yield value
            elif key == "Fn::GetAtt" and len(part) == 1:
                yield from _of_attribute(value)
            elif key == "Fn::Sub" and len(part) == 1:
                yield from _of_text(value)
            else:
                yield from named(value)


def _of_attribute(value: Any) -> Iterator[str]:
    found = value.split(".") if isinstance(value, str) else value
    if isinstance(found, list) and found and isinstance(found[0], str):
        yield found[0]


def _of_text(value: Any) -> Iterator[str]:
    text, variables = (*value, {}, {})[:2] if isinstance(value, list) else (value, {})
    own = set(variables) if isinstance(variables, dict) else set()
    yield from named(variables)
    for place in _PLACE.findall(text) if isinstance(text, str) else ():
        if place.strip() not in own:
            yield place.strip().partition(".")[0]


def _functions(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for one in part:
            yield from _functions(one)
    elif isinstance(part, dict):
        for key, value in part.items():
            if str(key).startswith("Fn::") and len(part) == 1 and key not in FUNCTIONS:
                yield str(key)
            yield from _functions(value)
