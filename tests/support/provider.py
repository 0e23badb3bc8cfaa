"""The source of the AWS provider for tests."""

import subprocess
from functools import cache
from pathlib import Path
from uuid import uuid4

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / ".cache/tests.tfrc"
AWS = "registry.terraform.io/hashicorp/aws"


@cache
def mirror() -> str | None:
    """The folder from which it is installed; None if that is the registry."""
    found = subprocess.run(
        [REPOSITORY / "scripts/terraform.sh", "mirror"], check=True, capture_output=True, text=True, timeout=300
    )
    return found.stdout.strip() or None


@cache
def unpacked() -> Path | None:
    """The unpacked provider in the mirror; None if there is none."""
    folder = mirror()
    found = sorted(Path(folder, AWS).glob("*/*/terraform-provider-aws*")) if folder else []
    return found[-1] if found else None


@cache
def config() -> str:
    """A Terraform CLI configuration for tests that start Terraform often.

    It uses the unpacked provider in the mirror directly, because Terraform otherwise hashes its 700 MB at each start,
    which takes half a second. Returns "" if there is no unpacked provider; Terraform then installs it as usual.
    """
    binary = unpacked()
    if not binary:
        return ""
    CONFIG.parent.mkdir(exist_ok=True)
    part = CONFIG.with_suffix(f".{uuid4().hex}")
    part.write_text(
        "provider_installation {\n"
        f'  dev_overrides {{ "hashicorp/aws" = "{binary.parent}" }}\n'
        f'  filesystem_mirror {{\n    path    = "{mirror()}"\n    include = ["{AWS}"]\n  }}\n'
        f'  direct {{\n    exclude = ["{AWS}"]\n  }}\n'
        "}\n"
    )
    part.rename(CONFIG)
    return str(CONFIG)
