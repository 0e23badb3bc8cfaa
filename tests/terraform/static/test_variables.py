"""Every Terraform variable and output: typed, described, and where its values are limited, validated."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import hcl2
import pytest

from tests.terraform.planning import REPOSITORY

MODULES = sorted(file.parent for file in (REPOSITORY / "terraform/module").glob("*/variables.tf"))
ROOTS = [
    *sorted(file.parent for file in (REPOSITORY / "mlflow/terraform").glob("*/variables.tf")),
    REPOSITORY / "terraform/bootstrap",
]


@cache
def parsed(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = hcl2.loads(file.read_text())
    return found


def blocks(folder: Path, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(folder.glob("*.tf")):
        # Parsing takes a tenth of a second for each file.
        if not re.search(f"^{kind} ", file.read_text(), re.MULTILINE):
            continue
        for block in parsed(file).get(kind, []):
            for label, body in block.items():
                yield json.loads(label), body


def folder_name(folder: Path) -> str:
    return str(folder.relative_to(REPOSITORY))


@pytest.mark.parametrize("folder", [*MODULES, *ROOTS], ids=folder_name)
def test_every_variable_has_a_type_and_a_description(folder: Path) -> None:
    found = dict(blocks(folder, "variable"))
    assert found
    assert [name for name, body in found.items() if "type" not in body] == []
    assert [name for name, body in found.items() if len(body.get("description", "").split()) < 3] == []


@pytest.mark.parametrize("folder", [*MODULES, *ROOTS], ids=folder_name)
def test_every_output_has_a_description(folder: Path) -> None:
    found = dict(blocks(folder, "output"))
    assert [name for name, body in found.items() if len(body.get("description", "").split()) < 3] == []


# The platform module passes its inputs on to the others, which validate them.
@pytest.mark.parametrize("folder", [folder for folder in MODULES if folder.name != "platform"], ids=folder_name)
def test_every_variable_whose_values_are_limited_is_validated(folder: Path) -> None:
    limited = {
        name: body for name, body in blocks(folder, "variable") if re.search("string|number|object", str(body["type"]))
    }
    assert [name for name, body in limited.items() if "validation" not in body] == []


def test_every_module_has_the_same_rules_for_tags() -> None:
    """CodeBuild's tags are shorter by one character: modules with its projects allow no longer ones."""
    rules: dict[bool, list[str]] = {True: [], False: []}
    for folder in MODULES:
        if folder.name != "platform":
            builds = any('resource "aws_codebuild_project"' in file.read_text() for file in folder.glob("*.tf"))
            rules[builds].append(str(dict(blocks(folder, "variable"))["tags"]["validation"]))
    shorter, longer = ({*found} for found in rules.values())
    assert (len(rules[True]), len(shorter), len(longer)) == (3, 1, 1)
    assert {text.replace("127", "128").replace("255", "256") for text in shorter} == longer


@pytest.mark.parametrize("folder", MODULES, ids=folder_name)
def test_every_message_of_a_validation_names_its_variable(folder: Path) -> None:
    wrong = [
        name
        for name, body in blocks(folder, "variable")
        for validation in body.get("validation", [])
        if name not in validation["error_message"]
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", ROOTS, ids=folder_name)
def test_a_roots_variables_reach_a_module_a_provider_or_a_resource(folder: Path) -> None:
    """The modules validate what the roots pass on; a variable that is not passed on is not validated."""
    text = "".join(file.read_text() for file in folder.glob("*.tf") if file.name != "variables.tf")
    removed = folder / "removed_inputs.tf"
    known = (
        {json.loads(label) for block in parsed(removed).get("variable", []) for label in block}
        if removed.exists()
        else set()
    )
    assert [name for name, _ in blocks(folder, "variable") if f"var.{name}" not in text and name not in known] == []


def test_the_default_mlflow_version_is_that_of_the_list_of_supported_versions() -> None:
    module = REPOSITORY / "terraform/module/mlflow"
    supported = json.loads((module / "mlflow_versions.json").read_text())
    default = dict(blocks(module, "variable"))["mlflow_version"]["default"]
    assert json.loads(default) == supported["default"]
    assert supported["default"] in supported["versions"]


def _expressions(folder: Path) -> Iterator[str]:
    """The regular expressions of a module's validations that describe the ARN of an identity or a policy."""
    for _, body in blocks(folder, "variable"):
        if "may contain `*`" in body["description"]:
            continue
        for validation in body.get("validation", []):
            for found in re.findall(
                r'regex\("(\^arn:[^"]*:iam::[^"]*\$)"', str(validation["condition"]).replace('\\"', '"')
            ):
                yield (
                    found.replace("\\\\", "\\")
                    .replace("${local.partition}", "aws")
                    .replace("${local.account_id}", "111122223333")
                )


def test_arns_of_roles_and_policies_hold_no_wildcards_and_spaces() -> None:
    """AWS refuses them in the middle of an apply: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html."""
    expressions = {one for folder in MODULES for one in _expressions(folder)}
    assert len(expressions) > 3
    for expression in expressions:
        right = [
            arn
            for kind in ("role", "user", "policy")
            if re.match(expression, arn := f"arn:aws:iam::111122223333:{kind}/ml/a-b_c")
        ]
        assert right, expression
        for arn in right:
            for wrong in (
                f"{arn} ",
                f"{arn}*",
                f"{arn}\n",
                arn.replace("a-b", "a b"),
                arn.replace("/ml/", "/*/"),
                f"{arn}'",
                f"{arn}$",
            ):
                assert not re.fullmatch(expression, wrong), (expression, wrong)


def test_both_modules_know_the_same_time_zones() -> None:
    """EventBridge Scheduler refuses others in the middle of an apply."""
    files = [REPOSITORY / "terraform/module" / module / "time_zones.json" for module in ("mlflow", "serving")]
    assert files[0].read_text() == files[1].read_text()
    names = json.loads(files[0].read_text())
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"} <= set(names)
    # A machine without a time zone database knows none.
    if known := available_timezones():
        assert set(names) <= known
