"""The Terraform in READMEs and docs, as one root.

A block without a module shows arguments of the mlflow module, or of a root that passes them on, and is put into a call.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(?:hcl|terraform|tf)\b[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r'^module "(\w+)" \{$', re.MULTILINE)
# A relative path, or the address of the repository.
SOURCE = re.compile(r'source( *)= "[^"]*terraform/module/([a-z-]+)"')
CALL = """\
module "mlflow" {{
  source = "terraform/module/mlflow"

  project_name       = "churn"
  environment        = "dev"
  bucket_name_suffix = "acme-dev"
{arguments}}}
"""


def _readmes() -> list[Path]:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"]
    found = subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=300).stdout
    return [REPOSITORY / name for name in sorted(found.split("\0")) if name and (REPOSITORY / name).exists()]


READMES = _readmes()


def blocks(file: Path) -> list[str]:
    # An import needs an existing resource: test_apply_killed.py applies such blocks.
    found = [block for block in BLOCK.findall(file.read_text()) if not block.startswith("import {")]
    return [block if MODULE.search(block) else CALL.format(arguments=block) for block in found]


def root() -> tuple[str, list[str]]:
    """One root of all blocks, and the names of its modules. A repeated name gets a number."""
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


def with_network(text: str, vpc: str, subnets: Sequence[str]) -> str:
    """The blocks with an existing VPC and subnets instead of the invented ones."""
    for subnet, invented in zip(subnets, sorted(set(re.findall(r"subnet-[0-9a-f]{17}", text))), strict=False):
        text = text.replace(invented, subnet)
    return re.sub(r"vpc-[0-9a-f]{17}", vpc, text)
