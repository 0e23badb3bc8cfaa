"""Reads `variable`, `output` and `module` blocks as text, so that they can be written elsewhere unchanged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_VALIDATION = re.compile(r"\n*^  validation \{\n.*?^  \}$", re.MULTILINE | re.DOTALL)
_ASSIGNED = re.compile(r"^  (\w+)\s*=", re.MULTILINE)
_DESCRIPTION = re.compile(r'^  description\s*= (".*")$', re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of a formatted Terraform file: its label and its text, from its first to its last line."""

    name: str
    text: str

    @property
    def description(self) -> str:
        """The description as a quoted Terraform string; "" if the block has none."""
        found = _DESCRIPTION.search(self.text)
        return found[1] if found else '""'

    @property
    def assigned(self) -> list[str]:
        """Names of the arguments on the first level, in order."""
        return _ASSIGNED.findall(self.text)

    def without_validations(self) -> str:
        """The text without `validation` blocks: the module that uses the value validates it."""
        return _VALIDATION.sub("", self.text)


def blocks(folder: Path, kind: str, *, skip: str = "") -> list[Block]:
    """The labelled blocks of one kind in a folder's .tf files: variables.tf first, then by file name.

    Args:
        kind: such as `variable`.
        skip: name of a file to leave out.
    """
    pattern = re.compile(rf'^{kind} "([\w-]+)" \{{\n.*?^\}}$', re.MULTILINE | re.DOTALL)
    files = sorted(folder.glob("*.tf"), key=lambda file: (file.name != f"{kind}s.tf", file.name))
    return [
        Block(found[1], found[0]) for file in files if file.name != skip for found in pattern.finditer(file.read_text())
    ]
