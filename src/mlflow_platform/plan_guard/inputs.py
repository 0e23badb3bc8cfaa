"""Finds attributes in a plan's variables that Terraform ignores, such as a misspelt `kep` for `keep`.

Terraform converts a value to the type of its variable, and drops the attributes that an object type does not name:
https://developer.hashicorp.com/terraform/language/expressions/type-constraints#conversion-of-complex-types
A plan holds the values as they were given.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow_common.errors import PreconditionError
from mlflow_platform.plan_guard.changes import TerraformPlan
from mlflow_platform.terraform_docs.blocks import blocks

_TYPE = re.compile(r"^  type\s*=\s*", re.MULTILINE)
_HEREDOC = re.compile(r"<<-?(\w+)\n.*?^\s*\1$", re.MULTILINE | re.DOTALL)
_TOKEN = re.compile(r'#[^\n]*|//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\])*"|[\w-]+|\S)', re.DOTALL)
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True)
class Shape:
    """What a type says about names: the attributes of an object, or the type of each element of a collection."""

    attributes: Mapping[str, Shape] | None = None
    elements: Shape | None = None


_ANY = Shape()


def check(plan: TerraformPlan, root: Path) -> None:
    """Check that each given attribute has a place in the type of its variable, as the root in this folder declares it.

    Raises:
        PreconditionError: Terraform ignores some.
    """
    declared = [(block.name, _declared(_HEREDOC.sub('""', block.text))) for block in blocks(root, "variable")]
    # A block in a file …_override.tf may have a default only.
    shapes = {name: shape for name, shape in declared if shape is not None}
    found = [one for name, value in plan.variables.items() for one in _ignored(name, value, shapes.get(name, _ANY))]
    if found:
        raise PreconditionError(
            f"nothing was changed, because Terraform ignores what no variable has: {'; '.join(found)}. Correct or "
            "remove it, for example in terraform.tfvars."
        )


def _ignored(path: str, value: Any, shape: Shape) -> Iterator[str]:
    if shape.attributes is not None and isinstance(value, Mapping):
        for name, inner in value.items():
            if name in shape.attributes:
                yield from _ignored(f"{path}.{name}", inner, shape.attributes[name])
            else:
                yield f"{path}.{name} ({path} has {', '.join(sorted(shape.attributes)) or 'no attributes'})"
    elif shape.elements is not None and isinstance(value, Mapping | list):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in pairs:
            yield from _ignored(f'{path}["{key}"]' if isinstance(key, str) else f"{path}[{key}]", inner, shape.elements)


def _declared(block: str) -> Shape | None:
    """The type of a variable; None if the block has none."""
    found = _TYPE.search(block)
    if found is None:
        return None
    try:
        return _shape(deque(one for one in _TOKEN.findall(block[found.end() :]) if one))
    except IndexError:
        # A default with brackets in a template, which is not read here.
        return _ANY


def _shape(tokens: deque[str]) -> Shape:
    """Read one type from the tokens."""
    kind = tokens.popleft()
    if not tokens or tokens[0] != "(":  # A type without an argument, such as string, or list in old modules.
        return _ANY
    match kind:
        case "object":
            return Shape(attributes=_attributes(tokens))
        case "list" | "map" | "set":
            tokens.popleft()
            elements = _shape(tokens)
            tokens.popleft()
            return Shape(elements=elements)
        case "optional":
            tokens.popleft()
            shape = _shape(tokens)
            _skip_to_the_end(tokens)
            return shape
        case "tuple":
            tokens.popleft()
            _skip_to_the_end(tokens)
    return _ANY


def _attributes(tokens: deque[str]) -> dict[str, Shape]:
    """Read the attributes of an object type, from its opening to its closing brackets."""
    tokens.popleft()
    tokens.popleft()
    found = {}
    while (name := tokens.popleft()) != "}":
        if name != ",":
            tokens.popleft()
            found[name.strip('"')] = _shape(tokens)
    tokens.popleft()
    return found


def _skip_to_the_end(tokens: deque[str]) -> None:
    """Skip what is left in the open bracket, such as the default of an optional attribute."""
    depth = 1
    while depth:
        token = tokens.popleft()
        depth += (token in _OPEN) - (token in _CLOSE)
