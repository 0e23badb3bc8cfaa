"""The modules' own tests, their READMEs, and what the roots ship for other machines."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terraform.planning import FOLDERS, REPOSITORY, Planner

DOCS = REPOSITORY / "scripts/docs.py"
OFFICIAL = re.compile(r'"(h1|zh):[^"]+"')


@pytest.mark.parametrize(
    "module", [f"terraform/module/{name}" for name in ("mlflow", "serving", "private-access", "state")]
)
def test_terraform_test_passes(planner: Planner, module: str) -> None:
    test = planner.initialised(module)
    found = subprocess.run(
        ["terraform", "test", "-no-color"],
        cwd=planner.folder(module),
        env=test.env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_tables_in_the_readmes_are_current() -> None:
    found = subprocess.run([sys.executable, DOCS, "--check"], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr


def test_an_input_that_a_readme_does_not_name_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "serving"
    module.mkdir()
    for name in ("README.md", "variables.tf", "outputs.tf"):
        (module / name).write_text((REPOSITORY / "terraform/module/serving" / name).read_text())
    with (module / "variables.tf").open("a") as file:
        file.write('variable "new" {\n  description = "One | two."\n  type = list(string)\n  default = ["a"]\n}\n')

    def run(*flags: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, DOCS, "--modules", tmp_path, *flags]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert run("--check").returncode == 1
    assert run().returncode == 0
    assert '| `new` | One \\| two. | `list(string)` | `["a"]` |' in (module / "README.md").read_text()
    assert run("--check").returncode == 0


@pytest.mark.parametrize("root", ["staging", "prod"])
def test_a_root_locks_the_provider_for_every_platform_and_init_keeps_it_so(planner: Planner, root: str) -> None:
    lock = (REPOSITORY / FOLDERS[root] / ".terraform.lock.hcl").read_text()
    assert len(OFFICIAL.findall(lock)) == 29
    planner.initialised(root)
    assert (planner.folder(root) / ".terraform.lock.hcl").read_text() == lock
