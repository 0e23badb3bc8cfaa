"""Modules that a release contains by themselves repeat local values. The copies are equal."""

import pytest

from mlflow_platform.environment import REPOSITORY
from tests.terraform.validations import LOCAL, LOCALS


def _locals(module: str) -> dict[str, str]:
    source = "\n".join(file.read_text() for file in sorted((REPOSITORY / "terraform/module" / module).glob("*.tf")))
    return {name: value.strip() for block in LOCALS.findall(source) for name, value in LOCAL.findall(block)}


@pytest.mark.parametrize(
    ("names", "modules"),
    [
        (["cron_values", "cron_ranges", "cron_parts", "cron_lists", "cron_days", "cron_expression"], "mlflow serving"),
        (["refused_bucket", "bucket_rule", "store_rule"], "mlflow pipeline serving"),
        (["refused_branch"], "delivery github"),
    ],
)
def test_modules_repeat_the_same_value(names: list[str], modules: str) -> None:
    first, *others = [{name: _locals(module)[name] for name in names} for module in modules.split()]
    assert all(other == first for other in others)
