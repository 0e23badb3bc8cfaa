"""`scripts/registry_module.sh`: the modules in the structure that Terraform's registry expects.

https://developer.hashicorp.com/terraform/language/modules/develop/structure
"""

import re
import subprocess
from pathlib import Path

import pytest

from mlflow_platform.environment import REPOSITORY

MODULES = sorted(folder.name for folder in (REPOSITORY / "terraform/module").iterdir())
URL = "https://github.com/acme/ml-platform"
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
SOURCE = re.compile(r'^\s*source\s*= "([^"]+)"$', re.MULTILINE)


def written(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [str(REPOSITORY / "scripts/registry_module.sh"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registry") / "terraform-aws-sagemaker-mlflow"
    done = written(folder, URL, "v0.1.0")
    assert (done.returncode, done.stdout) == (0, f"{folder}\n"), done.stderr
    return folder


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_the_standard_files_and_an_example(module: str) -> None:
    folder = REPOSITORY / "terraform/module" / module
    files = {file.name for file in folder.glob("*.*")}
    assert {"README.md", "outputs.tf", "variables.tf", "versions.tf"} <= files
    examples = sorted(folder.glob("examples/*/main.tf"))
    assert examples
    assert all("../.." in SOURCE.findall(example.read_text()) for example in examples)


def test_the_platform_module_is_at_the_root_and_the_others_are_below_modules(tree: Path) -> None:
    expected = {"CHANGELOG.md", "LICENSE", "README.md", "UPGRADING.md", "main.tf", "outputs.tf", "versions.tf"}
    assert expected <= {file.name for file in tree.iterdir()}
    assert sorted(folder.name for folder in (tree / "modules").iterdir()) == [
        module for module in MODULES if module != "platform"
    ]
    assert (tree / "examples/basic/main.tf").exists()


def test_every_source_is_a_folder_of_the_tree_or_an_address(tree: Path) -> None:
    found = [(file, source) for file in tree.rglob("*.tf") for source in SOURCE.findall(file.read_text())]
    local = [(file, source) for file, source in found if source.startswith(".")]
    assert len(local) >= 10
    assert [(file, source) for file, source in local if not list((file.parent / source).glob("*.tf"))] == []


def test_every_link_leads_to_a_file_of_the_tree_or_to_the_repository_at_the_tag(tree: Path) -> None:
    broken = []
    for file in tree.rglob("*.md"):
        if file.name == "CHANGELOG.md":
            continue  # Its links are for readers of the repository.
        for link in LINK.findall(file.read_text()):
            prefix = f"{URL}/blob/v0.1.0/"
            exists = (REPOSITORY / link.removeprefix(prefix)).exists() if link.startswith(prefix) else False
            if not (exists or (file.parent / link).exists() or (link.startswith("http") and not link.startswith(URL))):
                broken.append((file.relative_to(tree), link))
    assert broken == []


def test_blocks_in_readmes_name_the_repository_at_the_tag(tree: Path) -> None:
    text = (tree / "README.md").read_text()
    assert f'source = "git::{URL}//terraform/module/platform?ref=v0.1.0"' in text


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("{new}", URL), 2, "use scripts/registry_module.sh FOLDER REPOSITORY_URL vVERSION"),
        (("{new}", "git@github.com:acme/x", "v0.1.0"), 2, "use https://HOST/OWNER/REPOSITORY"),
        (("{new}", URL, "0.1.0"), 2, 'the tag "0.1.0" is not a version'),
        (("{old}", URL, "v0.1.0"), 3, "exists already: name a folder that does not"),
    ],
)
def test_refuses_wrong_arguments(tmp_path: Path, arguments: tuple[str, ...], status: int, message: str) -> None:
    given = [one.format(new=tmp_path / "new", old=tmp_path) for one in arguments]
    done = written(*given)
    assert (done.returncode, done.stderr.count("\n")) == (status, 1)
    assert message in done.stderr
    assert not (tmp_path / "new").exists()
