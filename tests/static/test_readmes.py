"""The Terraform in READMEs and docs is real: every block of it is planned, all in one root.

A block without a module shows arguments of the mlflow module, or of a root that passes them on: it is planned
in a call.
"""

import re
from collections import Counter
from pathlib import Path

from tests.plan.inventory import planned_resources
from tests.plan.planning import REPOSITORY, Planner
from tests.running import LocalAws

BLOCK = re.compile(r"^```(?:hcl|terraform|tf)\b[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r'^module "(\w+)" \{$', re.MULTILINE)
# However the reader gets at the module: beside the block, or from the repository.
SOURCE = re.compile(r'source( *)= "[^"]*terraform/module/([a-z-]+)"')
CALL = """\
module "mlflow" {{
  source = "terraform/module/mlflow"

  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme-dev"
{arguments}}}
"""
READMES = [
    file
    for file in sorted(REPOSITORY.rglob("*.md"))
    if not {".venv", ".cache", ".localaws", "node_modules", ".terraform"} & set(file.relative_to(REPOSITORY).parts)
]


def blocks(file: Path) -> list[str]:
    # An import needs something that is there already: tests/plan/test_apply_killed.py applies such blocks.
    found = [block for block in BLOCK.findall(file.read_text()) if not block.startswith("import {")]
    return [block if MODULE.search(block) else CALL.format(arguments=block) for block in found]


def root() -> tuple[str, list[str]]:
    """One root of all blocks, and the addresses of its modules. A name that comes again gets a number."""
    seen: Counter[str] = Counter()
    parts: list[str] = []
    names: list[str] = []
    for file in READMES:
        for block in blocks(file):
            for name in MODULE.findall(block):
                seen[name] += 1
                names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
                block = block.replace(f'module "{name}" {{', f'module "{names[-1]}" {{')
            assert all((REPOSITORY / "terraform/module" / module).is_dir() for _, module in SOURCE.findall(block)), file
            parts.append(SOURCE.sub(r'source\1= "../terraform/module/\2"', block))
    return "\n".join(parts), names


def test_every_modules_readme_shows_how_to_call_it() -> None:
    modules = {file.parent for file in (REPOSITORY / "terraform/module").glob("*/variables.tf")}
    assert {file.parent for file in READMES if blocks(file)} >= modules


def with_network(text: str, localaws: LocalAws) -> str:
    """The blocks with a VPC and subnets that are there in place of those that a README makes up."""
    ec2 = localaws.client("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    for subnet, made_up in zip(subnets, sorted(set(re.findall(r"subnet-[0-9a-f]{17}", text))), strict=False):
        text = text.replace(made_up, subnet["SubnetId"])
    return re.sub(r"vpc-[0-9a-f]{17}", vpc, text)


def test_all_blocks_are_planned(planner: Planner, localaws: LocalAws) -> None:
    text, names = root()
    folder = planner.tree / "readmes"
    folder.mkdir(exist_ok=True)
    (folder / "main.tf").write_text(with_network(text, localaws))
    planned = planned_resources(planner.plan("readmes"))
    assert [name for name in names if not any(address.startswith(f"module.{name}.") for address in planned)] == []
