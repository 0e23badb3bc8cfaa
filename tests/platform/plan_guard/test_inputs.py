"""Attributes in the inputs that Terraform ignores, because the variable's type does not have them."""

from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import PreconditionError
from mlflow_platform.environment import EnvironmentRef
from mlflow_platform.plan_guard import inputs
from mlflow_platform.plan_guard.changes import TerraformPlan
from mlflow_platform.plan_guard.review import review
from tests.terraform.planning import REPOSITORY

PROD = REPOSITORY / "mlflow/terraform/prod"
DECLARED = """
variable "old" {
  type = map
}

variable "nested" {
  # A comment with ) and }.
  type = list(object({
    "a" = optional(map(object({ b = string })), { x = { b = "}" } }), /* a */ c = tuple([string, number])
    d   = any
  }))
  default = []
}

variable "with-hyphens" {
  type=object({})
}

variable "described" {
  description = <<-EOT
    Such as

  type = object({ b = string })
  EOT
  type = map(string)
}

variable "template" {
  type = object({ b = optional(string, "${format("(%s", "x")}") })
}

variable "untyped" {
  default = {}
}
"""


def plan(**variables: Any) -> TerraformPlan:
    return TerraformPlan((), (), (), variables)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"kms": {"creates": True}}, "kms.creates (kms has administrator_arns, alias, allow_aws_managed_key, create,"),
        ({"backup": {"kep": 5, "keep": 3}}, "backup.kep (backup has alarm_after_hours,"),
        ({"backup": {"vpc": {"subnets": []}}}, "backup.vpc.subnets (backup.vpc has security_group_ids, subnet_ids,"),
        (
            {"delivery": {"source": {"repo": ""}}, "schedule": {"timezone": "UTC"}},
            "delivery.source.repo (delivery.source has branch, codecommit_repository, connection_arn, repository); "
            "schedule.timezone (schedule has start, stop, time_zone). Correct or remove",
        ),
    ],
)
def test_refuses_attributes_that_an_environment_does_not_have(variables: dict[str, Any], message: str) -> None:
    refusal = review(plan(**variables), EnvironmentRef("prod"), (), None, PROD).refusal
    assert refusal is not None
    assert f"nothing was changed, because Terraform ignores what no variable has: {message}" in refusal.message


@pytest.mark.parametrize(
    "variables",
    [
        {"kms": {"create": True}, "tags": {"any": "key"}, "backup": None, "schedule": "unknown"},
        {"notifications": {"topic": "x"}, "model_package_readers": {"iris": ["1"]}, "not_declared": {"a": 1}},
    ],
)
def test_accepts_attributes_of_the_type_and_every_key_of_a_map(variables: dict[str, Any]) -> None:
    inputs.check(plan(**variables), PROD)


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"nested": [{"a": {"k": {"b": "", "z": 1}}}]}, 'nested[0].a["k"].z (nested[0].a["k"] has b)'),
        ({"nested": [{}, {"e": 1}]}, "nested[1].e (nested[1] has a, c, d)"),
        ({"nested": [{"c": ["", 1], "d": {"any": {"thing": 1}}}], "old": {"k": {"a": 1}}, "untyped": {"a": 1}}, None),
        ({"with-hyphens": {"z": 1}}, "with-hyphens.z (with-hyphens has no attributes)"),
        ({"template": {"z": 1}, "described": {"z": ""}}, None),
    ],
)
def test_reads_every_form_of_a_type(tmp_path: Path, variables: dict[str, Any], found: str | None) -> None:
    (tmp_path / "main.tf").write_text(DECLARED)
    (tmp_path / "main_override.tf").write_text('variable "nested" {\n  default = []\n}\n')
    if found is None:
        inputs.check(plan(**variables), tmp_path)
        return
    with pytest.raises(PreconditionError) as refused:
        inputs.check(plan(**variables), tmp_path)
    assert f": {found}. Correct" in refused.value.message


def test_a_folder_without_variables_is_not_checked(tmp_path: Path) -> None:
    inputs.check(plan(backup={"kep": 5}), tmp_path)
