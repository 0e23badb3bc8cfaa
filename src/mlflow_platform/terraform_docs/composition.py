"""Passes inputs and outputs through the modules that only compose others, so that nobody repeats them by hand.

`terraform/module/platform` calls the mlflow, serving, pipeline, delivery and studio modules, and each environment's
root calls the platform module. HCL cannot pass on all inputs at once: a caller must list each of them as a variable and
as an argument. This writes both:

- in the caller's main.tf, the arguments between the markers of each module block. Arguments above the markers are
  written by hand and are left out.
- `inputs.tf`: each variable that main.tf uses and that no other file declares, with the module's own type, default
  and description. Validations stay in the module.
- `outputs.tf`: the outputs of all called modules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlflow_platform.terraform_docs.blocks import Block, blocks

BEGIN = "  # Written by `make docs`: the other inputs, unchanged."
END = "  # End of the part that `make docs` writes."
_HEADER = "# Written by `make docs` from the {kind} of {modules}. Do not edit: change them there.\n"
_USED = re.compile(r"\bvar\.(\w+)")


@dataclass(frozen=True)
class Caller:
    """A folder that passes on the inputs and outputs of the modules that it calls.

    Args:
        modules: folders of the called modules by the name of their `module` block.
        internal: outputs of the modules that only the caller itself uses.
    """

    folder: Path
    modules: Mapping[str, Path]
    internal: frozenset[str] = field(default_factory=frozenset)

    def files(self) -> dict[Path, str]:
        """The files as they should be.

        Raises:
            ValueError: main.tf lacks a module block or its markers.
        """
        main = self.folder / "main.tf"
        text = main.read_text()
        for name, module in self.modules.items():
            text = _with_arguments(text, main, name, blocks(module, "variable"))
        return {
            main: text,
            self.folder / "inputs.tf": self._inputs(text),
            self.folder / "outputs.tf": self._outputs(),
        }

    def _inputs(self, main: str) -> str:
        others = [file for file in self.folder.glob("*.tf") if file.name not in ("main.tf", "inputs.tf")]
        used = set(_USED.findall("\n".join([main, *(file.read_text() for file in others)])))
        by_hand = {block.name for block in blocks(self.folder, "variable", skip="inputs.tf")}
        wanted: dict[str, str] = {}
        for module in self.modules.values():
            for block in blocks(module, "variable"):
                if block.name in used - by_hand:
                    wanted.setdefault(block.name, block.without_validations())
        return self._header("inputs") + "\n\n".join(wanted.values()) + "\n"

    def _outputs(self) -> str:
        parts = [
            f'output "{block.name}" {{\n'
            f"  description = {block.description}\n"
            f"  value       = module.{name}.{block.name}\n"
            "}"
            for name, module in self.modules.items()
            for block in blocks(module, "output")
            if block.name not in self.internal
        ]
        return self._header("outputs") + "\n\n".join(parts) + "\n"

    def _header(self, kind: str) -> str:
        return _HEADER.format(kind=kind, modules=" and ".join(f"module {name}" for name in self.modules)) + "\n"


def callers(repository: Path) -> list[Caller]:
    """The callers of a repository, each after those that it calls."""
    modules = repository / "terraform/module"
    platform = modules / "platform"
    return [
        Caller(
            platform,
            {
                "mlflow": modules / "mlflow",
                "serving": modules / "serving",
                "pipeline": modules / "pipeline",
                "delivery": modules / "delivery",
                "studio": modules / "studio",
            },
            frozenset({"deployment_policy_document", "former_kms_key_arns"}),
        ),
        *(
            Caller(main.parent, {"platform": platform})
            for main in sorted((repository / "mlflow/terraform").glob("*/main.tf"))
        ),
    ]


def _with_arguments(text: str, file: Path, name: str, variables: Sequence[Block]) -> str:
    """The text of main.tf with all variables passed to the module block of this name."""
    begin, _, rest = text.partition(f'module "{name}" {{\n')
    by_hand, marker, rest = rest.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not marker or not end or "\n}\n" in by_hand:
        raise ValueError(f"{file}: add a block 'module \"{name}\"' with the lines '{BEGIN}' and '{END}'")
    missing = [block.name for block in variables if block.name not in Block(name, by_hand).assigned]
    width = max(map(len, missing), default=0)
    arguments = "".join(f"  {one:<{width}} = var.{one}\n" for one in missing)
    return f'{begin}module "{name}" {{\n{by_hand}{marker}{arguments}{end}{after}'
