"""Compares a plan with an inventory: some values, the number of resources of each type, the outputs."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tftest
import yaml

INVENTORIES = Path(__file__).parent / "inventories"


def inventory(name: str) -> dict[str, Any]:
    """An inventory of `inventories/`."""
    found: dict[str, Any] = yaml.safe_load((INVENTORIES / f"{name}.yaml").read_text())
    return found


def planned_resources(plan: tftest.TerraformPlanOutput) -> dict[str, dict[str, Any]]:
    """The planned values of every managed resource by its address; {} if no value is known yet."""
    return {
        resource["address"]: resource.get("values", {})
        for resource in _resources(plan.planned_values["root_module"])
        if resource["mode"] == "managed"
    }


def count_by_type(addresses: list[str]) -> dict[str, int]:
    """How many resources of each type there are."""
    return dict(Counter(next(part for part in address.split(".") if part.startswith("aws_")) for address in addresses))


def outputs(plan: tftest.TerraformPlanOutput) -> dict[str, Any]:
    """The planned outputs: "(known after apply)" for unknown ones, "(policy)" for policies, which other tests read."""
    found = {
        name: change["after"] if not change["after_unknown"] else "(known after apply)"
        for name, change in plan.output_changes.items()
    }
    return {name: "(policy)" if '"Statement"' in str(value) else value for name, value in found.items()}


def differences(expected: Any, found: Any, at: str = "") -> Iterator[str]:
    """Where `found` differs from what is expected. A mapping may contain more than the expected keys."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            if key in found:
                yield from differences(value, found[key], f"{at}/{key}")
            else:
                yield f"{at}/{key} is missing"
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (wanted, actual) in enumerate(zip(expected, found, strict=True)):
            yield from differences(wanted, actual, f"{at}/{index}")
    elif expected != found:
        yield f"{at} is {found!r}, not {expected!r}"


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)
