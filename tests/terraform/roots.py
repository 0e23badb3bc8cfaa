"""Roots that call a module with the inputs that a test gives, and with the module's defaults for the others."""

import re
from pathlib import Path

from mlflow_platform.terraform_docs.blocks import blocks
from tests.support.provider import REPOSITORY
from tests.terraform import validations

_POLICY = '"arn:aws:iam::123456789012:policy/churn-dev-mlflow-writer"'
REQUIRED = {
    "project_name": '"churn"',
    "environment": '"dev"',
    "artifact_store_uri": '"s3://data-lake"',
    "bucket_name": '"terraform-states-123456789012"',
    "can_train": "true",
    "deployer_policy_arns": f"[{_POLICY}]",
    "environments": "{ dev = {} }",
    "reader_policy_arns": f"[{_POLICY}]",
    "repository": '"acme/ml-platform"',
    "state_bucket_name": '"terraform-states-123456789012"',
    "subnet_ids": '["subnet-0123456789abcdef0"]',
    "tracking_policy_arn": _POLICY,
    "vpc_id": '"vpc-0123456789abcdef0"',
    "writer_policy_arns": f"[{_POLICY}]",
}
# The modules of which tests try wrong inputs.
VALIDATING = ("mlflow", "delivery", "github", "pipeline", "private-access", "serving", "state", "studio")
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


def refused_root(module: str, source: str) -> str:
    """Calls a module, or what is left of it, once for each of `var.cases`, so that one plan reports all errors."""
    called = f'  source   = "{source}"\n  for_each = var.cases\n'
    return f'{MANY}module "case" {{\n{called}{_arguments(module, "each.value")}}}\n'


def github_root() -> str:
    """Calls the github module with `var.inputs`."""
    given = ("repository", "project_name", "state_bucket_name", "state_kms_key_arn", "environments")
    arguments = "".join(f"  {name} = var.inputs.{name}\n" for name in given)
    arguments += '  iam_path = try(var.inputs.iam_path, "/")\n'
    arguments += '  global_name_prefix = try(var.inputs.global_name_prefix, "")\n'
    return f'{ONE}module "github" {{\n  source = "../terraform/module/github"\n{arguments}}}\n'


def write(tree: Path) -> None:
    """Write the roots into a copy of the repository's Terraform."""
    texts = {"any": any_root(), "github": github_root()}
    texts["refused"] = refused_root("mlflow", "../terraform/module/mlflow")
    for module in VALIDATING:
        texts[f"validated-{module}"] = refused_root(module, f"../validations/{module}")
        validations.write(REPOSITORY / "terraform/module" / module, tree / "validations" / module)
    for name, text in texts.items():
        (tree / name).mkdir()
        (tree / name / "main.tf").write_text(text)


def _arguments(module: str, given: str) -> str:
    lines = []
    for block in blocks(REPOSITORY / "terraform/module" / module, "variable"):
        default = DEFAULT.search(block.text)
        otherwise = default[1] if default else REQUIRED[block.name]
        lines.append(f"  {block.name} = try({given}.{block.name}, {otherwise})\n")
    return "".join(lines)
