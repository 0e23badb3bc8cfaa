"""Roots that call a module with the inputs that a test gives, and with the module's defaults for the others."""

import re
from pathlib import Path

from mlflow_platform.terraform_docs.blocks import blocks
from tests.support.provider import REPOSITORY

REQUIRED = {"project_name": '"churn"', "environment": '"dev"'}
DEFAULT = re.compile(r"^  default\s*= (.*)$", re.MULTILINE)
ONE = """\
terraform {
  required_version = ">= 1.11"
}

variable "inputs" {
  description = "The module's inputs by name."
  type        = any
}

"""
MANY = """\
terraform {
  required_version = ">= 1.11"
}

variable "cases" {
  description = "The module's inputs by name, by the name of the case."
  type        = any
}

"""


def any_root() -> str:
    """Calls the platform module with `var.inputs`."""
    source = '  source = "../terraform/module/platform"\n'
    printed = ("backup_destination_policy", "data_events_bucket_policy", "deletion_protection_policy")
    output = "".join(f'output "{name}" {{\n  value = module.platform.{name}\n}}\n' for name in printed)
    return f'{ONE}module "platform" {{\n{source}{_arguments("platform", "var.inputs")}}}\n{output}'


def refused_root() -> str:
    """Calls the mlflow module once for each of `var.cases`, so that one plan reports all errors."""
    source = '  source   = "../terraform/module/mlflow"\n  for_each = var.cases\n'
    return f'{MANY}module "case" {{\n{source}{_arguments("mlflow", "each.value")}}}\n'


def github_root() -> str:
    """Calls the github module with `var.inputs`."""
    given = ("repository", "project_name", "state_bucket_name", "state_kms_key_arn", "environments")
    arguments = "".join(f"  {name} = var.inputs.{name}\n" for name in given)
    arguments += '  iam_path = try(var.inputs.iam_path, "/")\n'
    arguments += '  global_name_prefix = try(var.inputs.global_name_prefix, "")\n'
    return f'{ONE}module "github" {{\n  source = "../terraform/module/github"\n{arguments}}}\n'


def write(tree: Path) -> None:
    """Write the roots into a copy of the repository's Terraform."""
    for name, text in (("any", any_root()), ("refused", refused_root()), ("github", github_root())):
        (tree / name).mkdir()
        (tree / name / "main.tf").write_text(text)


def _arguments(module: str, given: str) -> str:
    lines = []
    for block in blocks(REPOSITORY / "terraform/module" / module, "variable"):
        default = DEFAULT.search(block.text)
        otherwise = default[1] if default else REQUIRED[block.name]
        lines.append(f"  {block.name} = try({given}.{block.name}, {otherwise})\n")
    return "".join(lines)
