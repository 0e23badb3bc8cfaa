"""Reads a Terraform root's terraform.tfvars with an HCL parser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mlflow_common.errors import InputError

FILE = "terraform.tfvars"


def read(root: Path) -> Mapping[str, str]:
    """Return the plain string settings in a root's terraform.tfvars; empty when the file does not exist.

    Raises:
        InputError: the file cannot be read or is not valid HCL.
    """
    file = root / FILE
    if not file.is_file():
        return {}
    import hcl2  # Takes longer to import than everything else here.
    from lark.exceptions import LarkError

    try:
        settings = hcl2.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, LarkError) as error:
        reason = str(error).strip().splitlines()
        raise InputError(
            f"{file} cannot be read ({reason[0] if reason else 'not valid HCL'}). Correct the file."
        ) from None
    return {name: text for name, value in settings.items() if (text := _string(value)) is not None}


def _string(value: object) -> str | None:
    """A quoted string without interpolation; python-hcl2 keeps the quotes, and HCL's escapes are JSON's."""
    if not isinstance(value, str) or not value.startswith('"') or "${" in value:
        return None
    try:
        text = json.loads(value)
    except ValueError:
        return None
    return text if isinstance(text, str) else None
